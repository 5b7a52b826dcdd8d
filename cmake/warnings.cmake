# The project's warnings, on our own files only; LibTorch's headers are system headers.
function(muon_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(MUON_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
