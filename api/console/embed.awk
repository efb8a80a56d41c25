# SPDX-License-Identifier: Apache-2.0
# Writes the console's files, given as arguments, as one C file. Text only; run under LC_ALL=C.
BEGIN {
	print "/* Made by embed.awk from the console's files. */"
	print "#include \"api/static.h\"\n"
}
FNR == 1 {
	if (count++)
		print "\t;\n"
	name[count] = FILENAME
	sub(/^.*\//, "", name[count])
	printf "static const char file_%d[] =\n", count
}
{
	# by hand: awks differ in what gsub makes of backslashes
	line = ""
	for (i = 1; i <= length($0); i++) {
		c = substr($0, i, 1)
		line = line (c == "\t" ? "\\t" : c == "\r" ? "\\r" : index("\\\"?", c) ? "\\" c : c)
		if (length(line) > 2000) { # keeps it fast, and compilers content
			printf "\t\"%s\"\n", line
			line = ""
		}
	}
	printf "\t\"%s\\n\"\n", line
}
END {
	print "\t;\n"
	print "const struct static_file static_files[] = {"
	for (i = 1; i <= count; i++)
		printf "\t{\"%s\", file_%d, sizeof(file_%d) - 1},\n", name[i], i, i
	print "};"
	print "const size_t static_files_count = sizeof(static_files) / sizeof(static_files[0]);"
}
