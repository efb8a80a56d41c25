/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.h - the OpenAPI 3.1 description of the API, made from the tables of endpoints and fields. */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

char *openapi_make(void); /* JSON text; the caller frees it */

#endif
