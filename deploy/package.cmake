# What is installed beside the programs, and Debian packages of it all, in build/packages:
#     cmake --preset release && cmake --build --preset release && cpack --preset debian
# A component of `install` is a package; `daemon` is gradd, with what makes it a service.

# --- What is made from the programs' own words -------------------------------------------------
set(pages ${PROJECT_BINARY_DIR}/pages)
set(write_page ${PROJECT_SOURCE_DIR}/deploy/pages)
set(completions ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
file(MAKE_DIRECTORY ${pages})

set(program ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:gradd>)
set(made ${pages}/gradd.8.gz ${pages}/gradd.conf)
add_custom_command(
  OUTPUT ${made}
  COMMAND ${write_page} gradd.8 ${program} > ${pages}/gradd.8
  COMMAND gzip -9nf ${pages}/gradd.8
  COMMAND ${write_page} gradd.conf ${program} > ${pages}/gradd.conf
  DEPENDS gradd deploy/pages deploy/options.awk deploy/gradd.8.in deploy/debian/gradd.conf.head)
install(FILES ${pages}/gradd.8.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT daemon)
install(FILES deploy/completion/gradd DESTINATION ${completions} COMPONENT daemon)

if(TARGET gradctl)
  set(program ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:gradctl>)
  add_custom_command(
    OUTPUT ${pages}/gradctl.1.gz ${pages}/gradctl
    COMMAND ${write_page} gradctl.1 ${program} > ${pages}/gradctl.1
    COMMAND gzip -9nf ${pages}/gradctl.1
    COMMAND ${program} completion bash > ${pages}/gradctl
    DEPENDS gradctl deploy/pages deploy/commands.awk)
  list(APPEND made ${pages}/gradctl.1.gz ${pages}/gradctl)
  install(FILES ${pages}/gradctl.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
  install(FILES ${pages}/gradctl DESTINATION ${completions} COMPONENT tools)
endif()
add_custom_target(pages ALL DEPENDS ${made})

# --- What a Debian package has besides ---------------------------------------------------------
# Installed by component alone: where else gradd is a service, its user and its files are for others to say.
set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)
install(FILES deploy/systemd/gradd.service deploy/systemd/gradd.socket
        DESTINATION /lib/systemd/system COMPONENT daemon EXCLUDE_FROM_ALL)
install(FILES ${pages}/gradd.conf DESTINATION /etc/gradd COMPONENT daemon EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_PACKAGE_NAME gradd)
set(CPACK_PACKAGE_CONTACT "gradd contributors <gradd@gradd.example>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
    GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(CPACK_DEBIAN_DAEMON_PACKAGE_NAME gradd)
set(CPACK_DEBIAN_DAEMON_PACKAGE_SECTION math)
set(CPACK_DEBIAN_DAEMON_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_DAEMON_PACKAGE_SUGGESTS gradctl)
set(CPACK_DEBIAN_DAEMON_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm ${debian}/postrm
    ${debian}/conffiles)
set(CPACK_COMPONENT_DAEMON_DESCRIPTION "server of exact gradients over HTTP
gradd computes exact derivatives of expression graphs. A program sends an
expression and the values of its variables; it gets back the value and the
gradient, a Jacobian or a Hessian. Sessions keep variables, optimizers and
tapes, with the semantics of TensorFlow's GradientTape and of Keras.")

set(packages daemon)

if(TARGET gradctl)
  set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME gradctl)
  set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION math)
  set(CPACK_DEBIAN_TOOLS_PACKAGE_SUGGESTS gradd)
  set(CPACK_COMPONENT_TOOLS_DESCRIPTION "command line for gradd, a server of exact gradients
gradctl asks gradd for derivatives, minima and fits: of an expression in the
command line, a graph in a file, or data in a CSV file. It shows answers as
tables, progress as it comes, and a loss as a curve.")
  list(APPEND packages tools)
endif()

if(TARGET gradd_client)
  get_target_property(soversion gradd_client SOVERSION)
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libgradd-client${soversion})
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
  set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "client of gradd, a server of exact gradients
libgradd-client asks gradd for derivatives, minima and fits from programs in
C and C++. It tries again where that is safe, reads tensors out of answers,
and follows long work while it goes on. Any number of threads may use it.")
  set(CPACK_DEBIAN_CLIENT_PACKAGE_NAME libgradd-client-dev)
  set(CPACK_DEBIAN_CLIENT_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_CLIENT_PACKAGE_DEPENDS
      "${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}), libcurl4-openssl-dev, libcjson-dev")
  set(CPACK_COMPONENT_CLIENT_DESCRIPTION "client of gradd, for the development of programs
libgradd-client asks gradd, a server of exact gradients, for derivatives,
minima and fits. This package has what programs in C and C++ are built with:
the header, the static library, and what pkg-config and CMake read.")
  set(library_overrides "# CPack of Debian 12 knows no triggers: its scripts run ldconfig themselves.
${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME}: lacks-ldconfig-trigger
${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME}: maintscript-calls-ldconfig")
  set(client_overrides "# It is found all the same, and where CMake's own prefix puts it.
libgradd-client-dev: pkg-config-unavailable-for-cross-compilation [usr/lib/pkgconfig/gradd-client.pc]")
  list(APPEND packages library client)
endif()

# Each has its licence and its changelogs.
execute_process(COMMAND gzip -9n INPUT_FILE ${PROJECT_SOURCE_DIR}/CHANGELOG.md
                OUTPUT_FILE ${pages}/changelog.gz COMMAND_ERROR_IS_FATAL ANY)
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(component IN LISTS packages)
  string(TOUPPER ${component} upper)
  set(name ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  set(overrides "${${component}_overrides}")
  configure_file(${debian}/changelog.in ${pages}/doc/${name}/changelog.Debian @ONLY)
  execute_process(COMMAND gzip -9nf changelog.Debian WORKING_DIRECTORY ${pages}/doc/${name}
                  COMMAND_ERROR_IS_FATAL ANY)
  install(FILES ${pages}/doc/${name}/changelog.Debian.gz ${pages}/changelog.gz ${debian}/copyright
          DESTINATION share/doc/${name} COMPONENT ${component} EXCLUDE_FROM_ALL)
  configure_file(${debian}/overrides.in ${pages}/doc/${name}/${name} @ONLY)
  install(FILES ${pages}/doc/${name}/${name}
          DESTINATION share/lintian/overrides COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
set(CPACK_COMPONENTS_ALL ${packages})
include(CPack)
