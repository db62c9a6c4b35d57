# The images of deploy/Dockerfile, as archives: build/ci/gradd-image.tar has localhost/gradd:ci. Sourced
# behind engine.sh, for which it builds. One that is newer than all it is made of is not built again.
# shellcheck shell=bash disable=SC2154

# image_build [TARGET [ARCHIVE]]: builds where it must, and loads the archive into this run's engine.
image_build() {
    local target=${1:-runtime} archive=${2:-build/ci/gradd-image.tar} name=localhost/gradd:ci
    [ "$target" = runtime ] || name=localhost/gradd:ci-$target
    if [ -s "$archive" ] && [ -z "$(find CMakeLists.txt CMakePresets.json core api server \
        deploy/Dockerfile deploy/packages -newer "$archive" -print -quit)" ]; then
        "${docker[@]}" load -q -i "$archive"
        return
    fi
    "${docker[@]}" image inspect debian:bookworm-slim >/dev/null 2>&1 || engine_import || return
    DOCKER_BUILDKIT=1 "${docker[@]}" build --progress plain --network host --target "$target" \
        -f deploy/Dockerfile -t "$name" . || return
    "${docker[@]}" save -o "$archive.new" "$name" && mv "$archive.new" "$archive"
}
