#include <muon/track/history.hpp>

#include "track/formats/history_part.hpp"
#include "track/formats/run_files.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace muon::track {

struct History::State {
  struct Source {
    GrowingFile file;
    std::unique_ptr<Part> part;
    bool ended = false;  // at damage
  };

  Content content;
  std::vector<Source> sources;
  std::vector<std::string> problems;

  bool read(Source& source) {
    bool any = false;
    try {
      while (!source.ended) {
        const std::string bytes = source.file.read();
        if (bytes.empty()) break;
        any = true;
        source.part->feed(bytes);
        while (source.part->next(content)) {
        }
      }
    } catch (const std::runtime_error& error) {
      source.ended = true;
      problems.push_back(fmt::format("{} {}; what comes after is not read",
                                     source.file.path().string(), error.what()));
    }
    return any;
  }
};

History::History(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  const RunFiles found = find_run_files(path);
  for (const auto& file : found.files)
    state_->sources.push_back(
        {GrowingFile(file), make_part(found.format, state_->sources.size()), false});
}

History::~History() = default;
History::History(History&&) noexcept = default;

bool History::read() {
  bool any = false;
  for (auto& source : state_->sources) any = state_->read(source) || any;
  return any;
}

std::string History::id() const { return state_->content.id; }
std::string History::project() const { return state_->content.project; }
std::string History::name() const { return state_->content.name; }
const std::map<std::string, std::string>& History::config() const { return state_->content.config; }
const std::map<std::string, Series>& History::series() const { return state_->content.series; }
const std::map<std::string, std::int64_t>& History::others() const {
  return state_->content.others;
}
std::optional<int> History::exit_code() const { return state_->content.exit_code; }
std::vector<std::string> History::problems() const { return state_->problems; }

std::vector<std::filesystem::path> History::files() const {
  std::vector<std::filesystem::path> files;
  for (const auto& source : state_->sources) files.push_back(source.file.path());
  return files;
}

}  // namespace muon::track
