#include "train/models/model.hpp"

#include "cli/print.hpp"

#include <stdexcept>

namespace cli {
namespace {

struct Entry {
  const char* name;
  std::shared_ptr<Model> (*make)(const ImageShape&, std::int64_t);
};

constexpr Entry models[] = {{"small_net", make_small_net}, {"convnet", make_convnet}};

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Entry& entry : models) names.emplace_back(entry.name);
  return names;
}

std::shared_ptr<Model> make_model(const std::string& name, const ImageShape& image,
                                  std::int64_t classes) {
  for (const Entry& entry : models) {
    if (name == entry.name) return entry.make(image, classes);
  }
  throw std::invalid_argument(message("unknown model '{}'", name));
}

}  // namespace cli
