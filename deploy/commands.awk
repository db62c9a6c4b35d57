# From `gradctl --help-all` (the overview, and behind lines of ---- the help of each command) to gradctl(1).
# Usage: gradctl --help-all | awk -v version="gradctl X.Y.Z" -f deploy/commands.awk
function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    sub(/^[.']/, "\\\\\\&&", text)
    return text
}
# A paragraph begins where a line of text follows, and no heading is right before.
function put(line) {
    if (line == ".PP") {
        wanted = 1
        return
    }
    if (wanted && line !~ /^\.(TP|SH|SS)/ && last !~ /^\.(SH|SS)/) print ".PP"
    wanted = 0
    last = line
    print line
}
# Examples stand two columns to the right.
function prose(line) {
    if (line ~ /^  / && !indented) {
        put(".PP")
        put(".nf\n.RS")
    }
    if (line !~ /^  / && indented) end()
    indented = line ~ /^  /
    put(line == "" ? ".PP" : escaped(indented ? substr(line, 3) : line))
}
function end() {
    if (!indented) return
    put(".RE\n.fi")
    put(".PP")
    indented = 0
}
# Name and meaning are in one line, or else the meaning is in the next one.
function option(line,   name) {
    if (match(line, /^ +(-[a-z], )?--[^ ]+( [^ ]+)?/)) {
        name = substr(line, 1, RLENGTH)
        line = substr(line, RLENGTH + 1)
        sub(/^ +/, "", name)
        put(".TP\n.B " escaped(name))
    }
    sub(/^ +/, "", line)
    if (line != "") put(escaped(line))
}
BEGIN {
    part = "overview"
    printf ".TH GRADCTL 1 \"\" \"%s\" \"User Commands\"\n", version
    print ".SH NAME\ngradctl \\- asks gradd for exact gradients, minima and fits"
    print ".SH SYNOPSIS\n.B gradctl\n.I COMMAND\n.RI [ WORD ...]\n.RI [ OPTION ...]"
    put(".SH DESCRIPTION")
}
/^----$/ { end(); part = "command"; next }
# What stands behind the list of commands in the overview comes at the end of the page.
part == "overview" && /^Options of every command$/ { kept = "OPTIONS"; next }
part == "overview" && /^Values$/ { kept = "VALUES"; next }
part == "overview" && /^It exits with$/ { kept = "EXIT STATUS"; next }
part == "overview" && kept { held[kept] = held[kept] $0 "\n"; next }
part == "overview" && /^[A-Z].*[^:]$/ && seen { headings = 1 }
part == "overview" && (/^usage:/ || headings) { seen = 1; next }
part == "overview" { if ($0 != "" || indented) prose($0); next }
/^usage: gradctl / {
    if (!begun++) put(".SH COMMANDS")
    usage = substr($0, 8)
    sub(/ \[OPTION\.\.\.\]$/, "", usage)
    put(".SS " escaped(usage))
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
        put(".SH " order[i])
        lines = split(held[order[i]], line, "\n")
        for (k = 1; k <= lines; k++) {
            if (line[k] == "" || line[k] ~ /^"gradctl COMMAND/) continue
            if (order[i] == "OPTIONS") option(line[k])
            else put(escaped(line[k]))
        }
    }
    put(".SH SEE ALSO\n.BR gradd (8)")
}
