# The two images of deploy/Dockerfile, localhost/gradd:ci and localhost/gradd:ci-bare, built once for all
# programs that run them and kept as archives. Sourced behind engine.sh, in whose engine they are then.
# shellcheck shell=bash disable=SC2154
archives=(build/ci/gradd-image.tar build/ci/gradd-bare.tar)

# Whether the archives are newer than all that they are made of.
image_is_fresh() {
    local archive
    for archive in "${archives[@]}"; do
        [ -s "$archive" ] && [ -z "$(find CMakeLists.txt CMakePresets.json LICENSE core api server deploy/Dockerfile \
            deploy/Dockerfile.dockerignore deploy/packages deploy/viewer -newer "$archive" -print -quit)" ] || return
    done
}
image_make() {
    DOCKER_BUILDKIT=1 "${docker[@]}" build --progress plain --network host --target "$1" \
        --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || true)" -f deploy/Dockerfile -t "$2" . &&
        "${docker[@]}" save -o "$3.new" "$2" && mv "$3.new" "$3"
}
image_build() {
    if image_is_fresh; then
        "${docker[@]}" load -q -i "${archives[0]}" && "${docker[@]}" load -q -i "${archives[1]}"
        return
    fi
    "${docker[@]}" image inspect debian:bookworm-slim >/dev/null 2>&1 || engine_import || return
    # Got out here: a build knows none of the authorities that this machine may have of its own.
    deploy/viewer || return
    # The second has the program from the first one's build.
    image_make bare localhost/gradd:ci-bare "${archives[1]}" &&
        image_make runtime localhost/gradd:ci "${archives[0]}"
}
