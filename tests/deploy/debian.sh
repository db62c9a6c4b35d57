# The Debian packages of this tree, built as a release. Sourced behind common.sh.
# shellcheck shell=bash
packages=$PWD/build/packages

# Leaves the package of gradd in $deb, and that of gradctl in $tools.
packages_build() {
    deploy/viewer && built gradd gradctl pages || return
    rm -rf "$packages"
    cpack --preset debian && deb=$(echo "$packages"/gradd_*.deb) tools=$(echo "$packages"/gradctl_*.deb) &&
        [ -f "$deb" ] && [ -f "$tools" ]
}
