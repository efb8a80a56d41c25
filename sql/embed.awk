# SPDX-License-Identifier: Apache-2.0
# Writes the migrations given as arguments (sql/NNNN_name.sql, in order) as one C file.
BEGIN {
	print "/* Made by embed.awk from the numbered migrations. */"
	print "#include \"sql/migrate_priv.h\"\n"
	print "const struct migration migrations[] = {"
}
FNR == 1 {
	if (count++)
		print "\t},"
	name = FILENAME
	sub(/^.*\//, "", name)
	sub(/\.sql$/, "", name)
	number = substr(name, 1, 4) + 0
	if (name !~ /^[0-9][0-9][0-9][0-9]_[a-z0-9_]+$/ || number <= last) {
		print FILENAME ": migrations are named NNNN_words.sql and given in order" > "/dev/stderr"
		failed = 1
		exit 1
	}
	last = number
	printf "\t{\n\t\t%d, \"%s\",\n", number, name
}
{
	# by hand: awks differ in what gsub makes of backslashes
	line = ""
	for (i = 1; i <= length($0); i++) {
		c = substr($0, i, 1)
		line = line (c == "\t" ? "\\t" : index("\\\"?", c) ? "\\" c : c)
	}
	printf "\t\t\"%s\\n\"\n", line
}
END {
	if (failed)
		exit 1
	print "\t},\n};"
	print "const size_t migrations_count = sizeof(migrations) / sizeof(migrations[0]);"
}
