# Builds for arm64 on another machine: Debian's cross compilers, and GRADD_SYSROOT, a directory with
# Debian's arm64 libraries as tests/deploy/arm64 makes it, where no package has run anything. Tests
# run in qemu-user.
#     cmake --preset arm64 -DGRADD_SYSROOT=/path
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES GRADD_SYSROOT)
set(CMAKE_SYSROOT ${GRADD_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Debian's alternatives say where BLAS and LAPACK are, once they are configured; here it is said.
set(libraries /usr/lib/aarch64-linux-gnu)
set(blas ${libraries}/openblas-pthread)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${GRADD_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${GRADD_SYSROOT}${libraries}/pkgconfig:${GRADD_SYSROOT}${blas}/pkgconfig)
set(CMAKE_EXE_LINKER_FLAGS_INIT -Wl,-rpath-link,${GRADD_SYSROOT}${blas})
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L ${GRADD_SYSROOT} -E LD_LIBRARY_PATH=${blas})
