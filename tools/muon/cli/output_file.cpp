#include "cli/output_file.hpp"

#include <cstdio>

namespace cli {

void write_file(const std::filesystem::path& file, const std::string& text) {
  std::fflush(stdout);
  muon::AtomicFile out(file);
  out.write(text.data(), text.size());
  out.commit();
}

}  // namespace cli
