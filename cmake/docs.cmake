# The target docs: the API reference in build/docs/html, from the public headers. Only where Doxygen is installed.
find_package(Doxygen QUIET)
if(DOXYGEN_FOUND AND PROJECT_IS_TOP_LEVEL)
  add_custom_target(docs
    COMMAND ${CMAKE_COMMAND} -E make_directory build
    COMMAND ${CMAKE_COMMAND} -E env MUON_VERSION=${PROJECT_VERSION} $<TARGET_FILE:Doxygen::doxygen> Doxyfile
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    COMMENT "Writing the API reference to build/docs/html"
    VERBATIM)
endif()
