# From `gradd --help`, where every option is one line, to the options of gradd(8) or to the lines of
# gradd.conf: nothing that is said of an option is written twice. Options in `set`, such as
# data-dir=/var/lib/gradd, have that value in gradd.conf; all others are there as comments.
# Usage: gradd --help | awk -v form=man|conf [-v set=NAME=VALUE] -f deploy/options.awk
function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    return text
}
function show_in_man(name, shape, meaning, preset) {
    printf ".TP\n.B \\-\\-%s%s\n%s.\n", escaped(name), shape == "" ? "" : " \\fI" shape "\\fR", escaped(meaning)
    if (preset != "") printf "Default: %s.\n", escaped(preset)
}
# A default in words is no value: the line shows what one looks like.
function show_in_conf(name, shape, meaning, preset) {
    if (preset == "" || name == "config") return
    printf "\n# %s (%s)\n", meaning, preset
    if (index(set, name "=") == 1)
        printf "%s = %s\n", name, substr(set, length(name) + 2)
    else
        printf "# %s = %s\n", name, preset !~ /^(none|not so|one a core)/ ? preset : shape == "" ? "1" : shape
}
# A heading stands alone in its line.
/^[A-Z][a-z]+$/ {
    if (form == "man") printf ".SS %s\n", $0
    within = 1
}
within && match($0, /^  --[a-z-]+( [A-Z][A-Z,.]*)? +/) {
    split(substr($0, 5, RLENGTH - 4), words, " ")
    meaning = substr($0, RLENGTH + 1)
    preset = ""
    if (match(meaning, / \([^()]*\)$/)) {
        preset = substr(meaning, RSTART + 2, RLENGTH - 3)
        meaning = substr(meaning, 1, RSTART - 1)
    }
    if (form == "man") show_in_man(words[1], words[2], meaning, preset)
    else show_in_conf(words[1], words[2], meaning, preset)
}
