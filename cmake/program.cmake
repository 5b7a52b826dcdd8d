# Programs of the project: tools, tests, examples. torch/torch.h takes 20 s a file, so they share it precompiled; and they are
# compiled with -O1, since the work is in the library and in LibTorch.
file(WRITE ${PROJECT_BINARY_DIR}/precompiled.cpp "")
add_library(precompiled OBJECT ${PROJECT_BINARY_DIR}/precompiled.cpp)
target_precompile_headers(precompiled PRIVATE <torch/torch.h> <fmt/format.h> <fmt/ranges.h>)

function(muon_program_options target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  muon_warnings(${target})
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_link_libraries(${target} PRIVATE muon $<TARGET_NAME_IF_EXISTS:muon-track> fmt::fmt-header-only)
endfunction()
muon_program_options(precompiled)

function(muon_program target)
  add_executable(${target} ${ARGN})
  muon_program_options(${target})
  muon_unity(${target})
  target_precompile_headers(${target} REUSE_FROM precompiled)
endfunction()
