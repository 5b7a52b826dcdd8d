#include "train/data/dataset.hpp"

#include "cli/print.hpp"
#include "train/data/built_in.hpp"
#include "train/data/idx.hpp"

#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace cli {
namespace {

namespace fs = std::filesystem;

/// The file with or without .gz.
fs::path find_file(const fs::path& folder, const std::string& name) {
  const fs::path plain = folder / name, zipped = folder / (name + ".gz");
  std::error_code error;  // an unreadable folder is reported when the file is opened
  if (fs::exists(plain, error) || error) return plain;
  if (fs::exists(zipped, error)) return zipped;
  throw std::runtime_error(message(
      "{} is missing, with or without .gz; --data takes a folder with MNIST's four files", plain));
}

Split read_split(const fs::path& folder, const std::string& prefix) {
  const fs::path images = find_file(folder, prefix + "-images-idx3-ubyte");
  const fs::path labels = find_file(folder, prefix + "-labels-idx1-ubyte");
  Split split{read_idx(images, 3), read_idx(labels, 1).to(torch::kInt64)};
  if (split.images.size(0) != split.labels.size(0)) {
    throw std::runtime_error(
        message("{} holds {} images and {} holds {} labels; they do not belong together", images,
                split.images.size(0), labels, split.labels.size(0)));
  }
  return split;
}

Dataset random_dataset(std::int64_t seed) {
  torch::manual_seed(static_cast<std::uint64_t>(seed));
  const auto split = [](std::int64_t n) {
    return Split{torch::randint(0, 256, {n, 28, 28}, torch::kUInt8),
                 torch::randint(0, 10, {n}, torch::kInt64)};
  };
  Dataset data;
  data.train = split(1024);
  data.test = split(256);
  return data;
}

Dataset read_folder(const fs::path& folder) {
  if (std::error_code error; !fs::is_directory(folder, error)) {
    throw std::runtime_error(message(
        "--data {} is not a folder; give mnist, random, or a folder with MNIST's four files",
        folder));
  }
  Dataset data;
  data.train = read_split(folder, "train");
  data.test = read_split(folder, "t10k");
  if (data.train.images.sizes().slice(1) != data.test.images.sizes().slice(1)) {
    throw std::runtime_error(message("{}: training and test images differ in size", folder));
  }
  data.classes = data.train.labels.max().item<std::int64_t>() + 1;
  if (data.test.labels.max().item<std::int64_t>() >= data.classes) {
    throw std::runtime_error(
        message("{}: the test labels hold a class that no training label has", folder));
  }
  return data;
}

/// From the counts of the 256 grey values: exact, and no copy of the images as floats.
void measure(Dataset& data) {
  const torch::Tensor counts =
      torch::bincount(data.train.images.flatten(), {}, 256).to(torch::kFloat64);
  const torch::Tensor values = torch::arange(256, torch::kFloat64) / 255;
  const double total = counts.sum().item<double>();
  data.mean = (counts * values).sum().item<double>() / total;
  const double variance = (counts * (values - data.mean).square()).sum().item<double>() / total;
  data.deviation = variance > 0 ? std::sqrt(variance) : 1;
}

}  // namespace

torch::Tensor Dataset::batch(const Split& split, const torch::Tensor& indices,
                             const torch::TensorOptions& options) const {
  const torch::Tensor pixels = split.images.index_select(0, indices).to(options).unsqueeze(1);
  return pixels.sub_(255 * mean).div_(255 * deviation);
}

Dataset load_dataset(const std::string& name, std::int64_t seed) {
  Dataset data = name == "random"
                     ? random_dataset(seed)
                     : read_folder(name == "mnist" ? built_in_folder("mnist") : fs::path(name));
  measure(data);
  return data;
}

}  // namespace cli
