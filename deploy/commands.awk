# From `gradctl --help-all` (the overview, and behind lines of ---- the help of each command) to gradctl(1).
# Usage: gradctl --help-all | awk -v version="gradctl X.Y.Z" -f deploy/commands.awk
function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    sub(/^[.']/, "\\\\\\&&", text)
    return text
}
# Examples stand two columns to the right.
function prose(line) {
    if (line ~ /^  / && !indented) print ".PP\n.nf\n.RS"
    if (line !~ /^  / && indented) print ".RE\n.fi\n.PP"
    indented = line ~ /^  /
    if (line == "") print ".PP"
    else print escaped(indented ? substr(line, 3) : line)
}
function option(line,   at, name, meaning) {
    if (match(line, /^ +(-[a-z], )?--[^ ]+( [^ ]+)?  +/)) {
        name = substr(line, 1, RLENGTH)
        meaning = substr(line, RLENGTH + 1)
    } else {
        name = line ~ /^ +(-[a-z], )?--/ ? line : ""
        meaning = name == "" ? line : ""
    }
    gsub(/^ +| +$/, "", name)
    gsub(/^ +| +$/, "", meaning)
    if (name != "") printf ".TP\n.B %s\n", escaped(name)
    if (meaning != "") print escaped(meaning)
}
function end() {
    if (indented) print ".RE\n.fi"
    indented = 0
}
BEGIN {
    part = "overview"
    printf ".TH GRADCTL 1 \"\" \"%s\" \"User Commands\"\n", version
    print ".SH NAME\ngradctl \\- asks gradd for exact gradients, minima and fits"
    print ".SH SYNOPSIS\n.B gradctl\n.I COMMAND\n.RI [ WORD ...]\n.RI [ OPTION ...]"
    print ".SH DESCRIPTION"
}
/^----$/ { end(); part = "command"; next }
# Of the overview what is behind the list of commands comes at the end of the page.
part == "overview" && /^Options of every command$/ { kept = "OPTIONS"; next }
part == "overview" && /^Values$/ { kept = "VALUES"; next }
part == "overview" && /^It exits with$/ { kept = "EXIT STATUS"; next }
part == "overview" && kept { held[kept] = held[kept] $0 "\n"; next }
part == "overview" && /^[A-Z].*[^:]$/ && seen { headings = 1 }
part == "overview" && (/^usage:/ || headings) { seen = 1; next }
part == "overview" { if ($0 != "" || indented) prose($0); next }
/^usage: gradctl / {
    if (!begun++) print ".SH COMMANDS"
    usage = substr($0, 8)
    sub(/ \[OPTION\.\.\.\]$/, "", usage)
    printf ".SS %s\n", escaped(usage)
    part = "command"
    blank = 0
    next
}
/^Options$/ { end(); part = "options"; next }
# What is said of every command is said once.
/^Options of every command$/ { end(); part = "over"; next }
part == "command" && $0 == "" && !blank++ { next }
part == "command" { prose($0) }
part == "options" && $0 != "" { option($0) }
END {
    end()
    count = split("OPTIONS,VALUES,EXIT STATUS", order, ",")
    for (i = 1; i <= count; i++) {
        printf ".SH %s\n", order[i]
        lines = split(held[order[i]], line, "\n")
        for (k = 1; k <= lines; k++) {
            if (line[k] == "" || line[k] ~ /^"gradctl COMMAND/) continue
            if (order[i] == "OPTIONS") option(line[k])
            else print escaped(line[k])
        }
    }
    print ".SH SEE ALSO\n.BR gradd (8)"
}
