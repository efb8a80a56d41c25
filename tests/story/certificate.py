# SPDX-License-Identifier: Apache-2.0
"""Certificates for stories of TLS."""

import subprocess


def self_signed(stem, *addresses, name="localhost"):
    """One that holds for two days, and for these addresses: (the path of the certificate, that of its key)."""
    certificate, key = stem + ".pem", stem + ".key"
    names = ["-addext", "subjectAltName=" + ",".join(f"IP:{a}" for a in addresses)] if addresses else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", *names,
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
