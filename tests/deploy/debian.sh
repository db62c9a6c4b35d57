# The Debian packages of this tree, built as a release. Sourced behind common.sh.
# shellcheck shell=bash
packages=$PWD/build/ci/packages

# Leaves the package of gradd in $deb.
packages_build() {
    built gradd pages || return
    rm -rf "$packages"
    cpack --preset debian -B "$packages" && deb=$(echo "$packages"/gradd_*.deb) && [ -f "$deb" ]
}
