// A small training whose every step depends on all state: weights, a buffer, momentum, moments,
// schedules, random numbers.
#pragma once

#include "support/errors.hpp"
#include "support/files.hpp"

#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iomanip>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace training {

namespace fs = std::filesystem;

struct NetImpl : torch::nn::Module {
  explicit NetImpl(std::int64_t width = 6) {
    embed = register_module("embed", torch::nn::Embedding(10, width));
    hidden = register_module("hidden", torch::nn::Linear(width, 8));
    norm = register_module("norm", torch::nn::BatchNorm1d(8));
    head = register_module("head", torch::nn::Linear(8, 3));
  }
  torch::Tensor forward(const torch::Tensor& tokens) {
    torch::Tensor x = torch::relu(norm->forward(hidden->forward(embed->forward(tokens))));
    return head->forward(torch::dropout(x, 0.1, is_training()));
  }
  torch::nn::Embedding embed{nullptr};
  torch::nn::Linear hidden{nullptr}, head{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};
TORCH_MODULE(Net);

inline bool same(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!torch::equal(a[i], b[i])) return false;
  }
  return true;
}

using MakeOptimizer = std::function<std::unique_ptr<muon::GroupedOptimizer>(Net&)>;

/// Net, optimizer and schedule, and steps on them.
struct Session {
  static constexpr std::int64_t total = 40;

  explicit Session(const MakeOptimizer& make, std::uint64_t seed = 1) {
    torch::manual_seed(seed);
    net = Net();
    optimizer = make(net);
    schedule = std::make_unique<muon::LambdaLR>(
        *optimizer, [](std::int64_t s) { return muon::schedule::cosine(s, total, 5); });
  }

  void train_to(std::int64_t last) {
    for (; step < last; ++step) {
      muon::set_momentum(*optimizer, muon::schedule::momentum_warmup(step, 20));
      optimizer->zero_grad();
      const torch::Tensor tokens = torch::randint(10, {7}), labels = torch::randint(3, {7});
      torch::nn::functional::cross_entropy(net->forward(tokens), labels).backward();
      optimizer->step();
      schedule->step();
    }
  }

  /// From here on both draw the same random numbers, and train to `last`.
  static bool train_alike(Session& a, Session& b, std::int64_t last) {
    for (Session* session : {&a, &b}) {
      torch::manual_seed(3);
      session->train_to(last);
    }
    return same(a.values(), b.values());
  }

  /// At step `s`, as far as the schedule is concerned.
  void set_step(std::int64_t s) {
    schedule->set_step(s);
    step = s;
  }

  muon::TrainingState parts() {
    return {.model = *net, .optimizer = optimizer.get(), .schedule = schedule.get(), .step = step};
  }

  /// All values of the model, one after the other.
  std::vector<torch::Tensor> values() const {
    std::vector<torch::Tensor> result;
    for (const auto& entry : muon::NamedTensors(*net).entries())
      result.push_back(entry.tensor.detach().clone());
    return result;
  }

  Net net{nullptr};
  std::unique_ptr<muon::GroupedOptimizer> optimizer;
  std::unique_ptr<muon::LambdaLR> schedule;
  std::int64_t step = 0;
};

inline std::unique_ptr<muon::GroupedOptimizer> mixed(Net& net) {
  return std::make_unique<muon::MuonWithAuxAdam>(*net);
}

/// Every parameter under AdamW.
inline std::unique_ptr<muon::GroupedOptimizer> adamw_only(Net& net) {
  return std::make_unique<muon::MuonWithAuxAdam>(muon::make_plan(
      *net, {muon::otherwise().use(torch::optim::AdamWOptions(0.01).amsgrad(true))}));
}

/// The matrices alone, without names.
inline std::unique_ptr<muon::GroupedOptimizer> muon_only(Net& net) {
  return std::make_unique<muon::Muon>(
      std::vector<torch::Tensor>{net->hidden->weight, net->head->weight}, 0.02);
}

using support::contents;
using support::error_of;
using support::Folder;
using support::write;

/// A checkpoint's bytes with something else in the header, and the checksum that belongs to that.
inline std::string with_header(const std::string& bytes, const std::string& from,
                               const std::string& to) {
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  std::string header = bytes.substr(8, length);
  header.erase(header.find_last_not_of(' ') + 1);
  const auto at = header.find(from);
  if (at == std::string::npos) throw std::invalid_argument("the header has no " + from);
  header.replace(at, from.size(), to);
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string result;
  for (int i = 0; i < 8; ++i) result += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  result += header + bytes.substr(8 + length);

  const std::string mark = "\"checksum\":\"crc32:";
  const auto digits = result.find(mark) + mark.size();
  result.replace(digits, 8, "00000000");
  std::uint32_t sum = 0xffffffff;
  for (const char byte : result) {
    sum ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320U : 0U);
  }
  std::ostringstream text;
  text << std::hex << std::setw(8) << std::setfill('0') << ~sum;
  return result.replace(digits, 8, text.str());
}

}  // namespace training
