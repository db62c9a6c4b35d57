# The Debian packages of this tree, built as a release. Sourced behind common.sh.
# shellcheck shell=bash
packages=$PWD/build/packages

# Leaves the package of gradd in $deb, that of gradctl in $tools, and those of the C client in $client.
packages_build() {
    deploy/viewer && built gradd gradctl gradd_client gradd_client_static pages || return
    rm -rf "$packages"
    cpack --preset debian && deb=$(echo "$packages"/gradd_*.deb) tools=$(echo "$packages"/gradctl_*.deb) &&
        client=("$packages"/libgradd-client{0,-dev}_*.deb) && [ -f "$deb" ] && [ -f "$tools" ] &&
        [ -f "${client[0]}" ] && [ -f "${client[1]}" ]
}
