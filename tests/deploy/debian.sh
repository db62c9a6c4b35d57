# The Debian packages of this tree, built as a release. Sourced behind common.sh.
# shellcheck shell=bash
packages=$PWD/build/ci/packages

packages_build() { cmake --preset release && cmake --build --preset release --target gradd pages; }
# Leaves the package of gradd in $deb.
packages_pack() {
    rm -rf "$packages"
    cpack --preset debian -B "$packages" && deb=$(echo "$packages"/gradd_*.deb) && [ -f "$deb" ]
}
