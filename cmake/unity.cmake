# With CMAKE_UNITY_BUILD, the sources of a target that share a folder are compiled as one, which divides the time of a fresh build
# by four: what a file of this project costs is LibTorch's headers and templates. Files of different folders never meet, so adding
# a file elsewhere cannot bring two equal names together.
function(muon_unity target)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    if(source MATCHES "\\.cpp$")
      cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE path)
      cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
      cmake_path(GET path PARENT_PATH folder)
      string(REPLACE "/" "_" group "${folder}")
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP "${group}")
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
endfunction()
