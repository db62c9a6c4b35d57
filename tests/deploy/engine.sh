# A Docker engine of this run's own, with the minimal root in it under the name of Debian's image.
# Sourced behind common.sh. No bridge and no firewall rules: it leaves nothing of its own here.
# shellcheck shell=bash disable=SC2154
# Debian's client: one of another version may need a plugin to build.
docker=(/usr/bin/docker -H "unix://$work/socket")

engine_start() {
    tests/minimal_root build/ci/minimal_root.tar
    dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
        -H "unix://$work/socket" --bridge=none --iptables=false --ip6tables=false \
        --storage-driver overlay2 >"$work/engine.log" 2>&1 &
    at_exit umount "$work/exec/netns/default"
    at_exit wait $!
    at_exit kill $!
    soon "${docker[@]}" version
}
engine_import() {
    "${docker[@]}" import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'CMD ["bash"]' build/ci/minimal_root.tar debian:bookworm-slim
}
