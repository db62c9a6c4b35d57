# What is installed beside the programs, and Debian packages of it all:
#     cmake --preset release && cmake --build --preset release && cpack --preset debian
# A component of `install` is a package; `daemon` is gradd, with what makes it a service.

# --- What is made from the programs' own words -------------------------------------------------
set(pages ${PROJECT_BINARY_DIR}/pages)
set(run_gradd ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:gradd>)
file(MAKE_DIRECTORY ${pages})
add_custom_command(
  OUTPUT ${pages}/gradd.8.gz ${pages}/gradd.conf
  COMMAND ${PROJECT_SOURCE_DIR}/deploy/pages gradd.8 ${run_gradd} > ${pages}/gradd.8
  COMMAND gzip -9nf ${pages}/gradd.8
  COMMAND ${PROJECT_SOURCE_DIR}/deploy/pages gradd.conf ${run_gradd} > ${pages}/gradd.conf
  DEPENDS gradd deploy/pages deploy/options.awk deploy/gradd.8.in deploy/debian/gradd.conf.head)
add_custom_target(pages ALL DEPENDS ${pages}/gradd.8.gz ${pages}/gradd.conf)

install(FILES ${pages}/gradd.8.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT daemon)
install(FILES deploy/completion/gradd COMPONENT daemon
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)

# --- What a Debian package has besides ---------------------------------------------------------
# Installed by component alone: where else gradd is a service, its user and its files are for others to say.
set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)
install(FILES deploy/systemd/gradd.service deploy/systemd/gradd.socket
        DESTINATION /lib/systemd/system COMPONENT daemon EXCLUDE_FROM_ALL)
install(FILES ${pages}/gradd.conf DESTINATION /etc/gradd COMPONENT daemon EXCLUDE_FROM_ALL)
install(FILES ${debian}/lintian-overrides RENAME gradd
        DESTINATION share/lintian/overrides COMPONENT daemon EXCLUDE_FROM_ALL)

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
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(CPACK_DEBIAN_DAEMON_PACKAGE_NAME gradd)
set(CPACK_DEBIAN_DAEMON_PACKAGE_SECTION math)
set(CPACK_DEBIAN_DAEMON_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_DAEMON_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm ${debian}/postrm
    ${debian}/conffiles)
set(CPACK_COMPONENT_DAEMON_DESCRIPTION "server of exact gradients over HTTP
gradd computes exact derivatives of expression graphs. A program sends an
expression and the values of its variables; it gets back the value and the
gradient, a Jacobian or a Hessian. Sessions keep variables, optimizers and
tapes, with the semantics of TensorFlow's GradientTape and of Keras.")

# Each has its licence and its changelog.
foreach(component IN ITEMS daemon)
  string(TOUPPER ${component} upper)
  set(name ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  set(doc share/doc/${name})
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  configure_file(${debian}/changelog.in ${pages}/${name}.changelog @ONLY)
  execute_process(COMMAND gzip -9n INPUT_FILE ${pages}/${name}.changelog
                  OUTPUT_FILE ${pages}/${name}.changelog.gz COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND gzip -9n INPUT_FILE ${PROJECT_SOURCE_DIR}/CHANGELOG.md
                  OUTPUT_FILE ${pages}/CHANGELOG.gz COMMAND_ERROR_IS_FATAL ANY)
  install(FILES ${pages}/${name}.changelog.gz RENAME changelog.Debian.gz
          DESTINATION ${doc} COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${pages}/CHANGELOG.gz RENAME changelog.gz
          DESTINATION ${doc} COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${debian}/copyright DESTINATION ${doc} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
include(CPack)
