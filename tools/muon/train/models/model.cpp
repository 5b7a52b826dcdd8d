#include "train/models/model.hpp"

#include "cli/print.hpp"

#include <stdexcept>

namespace cli {
namespace {

struct Entry {
  const char* name;
  std::shared_ptr<Model> (*make)(const ImageShape&, std::int64_t);
};

constexpr Entry image_models[] = {{"small_net", make_small_net}, {"convnet", make_convnet}};
constexpr const char* language_model = "gpt";

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Entry& entry : image_models) names.emplace_back(entry.name);
  names.emplace_back(language_model);
  return names;
}

bool is_language_model(const std::string& name) { return name == language_model; }

std::shared_ptr<Model> make_image_model(const std::string& name, const ImageShape& image,
                                        std::int64_t classes) {
  for (const Entry& entry : image_models) {
    if (name == entry.name) return entry.make(image, classes);
  }
  throw std::invalid_argument(message("unknown model '{}'", name));
}

}  // namespace cli
