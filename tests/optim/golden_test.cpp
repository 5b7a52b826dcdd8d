// The reference trajectories of tests/golden, replayed. tests/golden/make_golden.py made them; each
// case says from which reference.
//
// A file's name begins with the reference: torch_optim_muon, muon_with_aux_adam or
// two_optimizers_net. Every such file is read, with any number of cases, steps and parameters, from
// the folder that the environment variable MUON_GOLDEN_DIR names, or from tests/golden. What a test
// does not know in a file is an error, so that no case is replayed with other options than it was
// made with.
//
// Tolerances are relative to the largest entry of the reference tensor:
//   float64    1e-9   the same operations in another order: 5 steps of 3 products, each about 1e-16
//              and amplified by the
//                     polynomial's slope, 485
//   float32    2e-5   the same, from 6e-8
//   bfloat16   2e-2   products rounded to 8 bits, 4e-3 each, at other places than in the reference
#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Json = nlohmann::json;

/// A recorded run, and the file's name for messages.
struct Case {
  std::string file;
  std::size_t number = 0;
  Json json;

  const Json& at(const std::string& key) const { return json.at(key); }
  std::string name() const { return file + ", case " + std::to_string(number); }
};

std::filesystem::path golden_folder() {
  const char* folder = std::getenv("MUON_GOLDEN_DIR");
  return folder != nullptr ? folder : MUON_GOLDEN_DIR;
}

/// The names of the folder's files, sorted.
std::set<std::string> golden_files() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder())) {
    if (entry.path().extension() == ".json") names.insert(entry.path().filename().string());
  }
  return names;
}

/// The cases of all files whose names begin with `reference`. At least one.
std::vector<Case> cases_of(std::string_view reference) {
  std::vector<Case> cases;
  for (const std::string& name : golden_files()) {
    if (!name.starts_with(reference)) continue;
    std::ifstream in(golden_folder() / name);
    if (!in) throw std::runtime_error("cannot open " + (golden_folder() / name).string());
    const Json list = Json::parse(in);
    for (std::size_t i = 0; i < list.size(); ++i) cases.push_back({name, i, list.at(i)});
  }
  if (cases.empty())
    throw std::runtime_error("no cases of " + std::string(reference) + " in " +
                             golden_folder().string());
  return cases;
}

torch::Tensor tensor(const Json& json, torch::ScalarType type) {
  const auto shape = json.at("shape").get<std::vector<std::int64_t>>();
  const auto data = json.at("data").get<std::vector<double>>();
  return torch::tensor(data, torch::kFloat64).reshape(shape).to(type);
}

/// The entry of `known` that one[key] names; an error naming the key and the file if there is none.
template <class T>
T named(const Case& one, const std::string& key, const Json& word,
        const std::map<std::string, T>& known) {
  const auto found = word.is_string() ? known.find(word.get<std::string>()) : known.end();
  if (found == known.end())
    throw std::runtime_error(one.name() + ": unknown " + key + " " + word.dump());
  return found->second;
}

[[noreturn]] void refuse_option(const Case& one, const std::string& list, const std::string& key) {
  throw std::runtime_error(one.name() + ": unknown option '" + key + "' in " + list);
}

torch::ScalarType param_dtype(const Case& one) {
  return named<torch::ScalarType>(one, "param_dtype", one.at("param_dtype"),
                                  {{"float64", torch::kFloat64}, {"float32", torch::kFloat32}});
}

muon::ComputeDtype compute_dtype(const Case& one) {
  return named<muon::ComputeDtype>(one, "ns_dtype", one.at("ns_dtype"),
                                   {{"float64", muon::ComputeDtype::float64},
                                    {"float32", muon::ComputeDtype::float32},
                                    {"bfloat16", muon::ComputeDtype::bfloat16}});
}

double tolerance(const Case& one) {
  return named<double>(one, "ns_dtype", one.at("ns_dtype"),
                       {{"float64", 1e-9}, {"float32", 2e-5}, {"bfloat16", 2e-2}});
}

double relative_error(const torch::Tensor& ours, const torch::Tensor& reference) {
  const double largest = reference.abs().max().item<double>();
  return (ours - reference).abs().max().item<double>() / (largest > 0 ? largest : 1);
}

/// `options` with what one[list] sets. Words and values are those of torch.optim.Muon's arguments.
muon::MuonOptions muon_options(const Case& one, const std::string& list,
                               muon::MuonOptions options) {
  for (const auto& [key, value] : one.at(list).items()) {
    if (key == "lr") options.lr(value.get<double>());
    else if (key == "weight_decay") options.weight_decay(value.get<double>());
    else if (key == "momentum") options.momentum(value.get<double>());
    else if (key == "nesterov") options.nesterov(value.get<bool>());
    else if (key == "ns_steps") options.ns_steps(value.get<int>());
    else if (key == "eps") options.eps(value.get<double>());
    else if (key == "ns_coefficients")
      options.ns_coefficients({{value.at(0), value.at(1), value.at(2)}});
    else if (key == "adjust_lr_fn") {
      const Json word = value.is_null() ? Json("original") : value;  // None is Python's default
      options.adjust_lr_fn(
          named<muon::AdjustLr>(one, key, word,
                                {{"original", muon::AdjustLr::original},
                                 {"match_rms_adamw", muon::AdjustLr::match_rms_adamw},
                                 {"spectral_unclamped", muon::AdjustLr::spectral_unclamped}}));
    } else refuse_option(one, list, key);
  }
  return options;
}

torch::optim::AdamWOptions adamw_options(const Case& one, const std::string& list,
                                         torch::optim::AdamWOptions options) {
  for (const auto& [key, value] : one.at(list).items()) {
    if (key == "lr") options.lr(value.get<double>());
    else if (key == "weight_decay") options.weight_decay(value.get<double>());
    else if (key == "eps") options.eps(value.get<double>());
    else if (key == "betas") options.betas({value.at(0).get<double>(), value.at(1).get<double>()});
    else refuse_option(one, list, key);
  }
  return options;
}

std::vector<torch::Tensor> parameters(const Json& list, torch::ScalarType type) {
  std::vector<torch::Tensor> result;
  for (const Json& entry : list) result.push_back(tensor(entry, type).requires_grad_());
  return result;
}

/// Feeds the recorded gradients and compares every parameter after every step.
void replay(const Case& one, torch::optim::Optimizer& optimizer, std::vector<torch::Tensor>& ours,
            torch::ScalarType type) {
  const double allowed = tolerance(one);
  const Json& grads = one.at("grads");
  ASSERT_EQ(grads.size(), one.at("params").size());
  ASSERT_FALSE(grads.empty());
  for (std::size_t step = 0; step < grads.size(); ++step) {
    ASSERT_EQ(grads.at(step).size(), ours.size()) << "step " << step;
    for (std::size_t i = 0; i < ours.size(); ++i)
      ours[i].mutable_grad() = tensor(grads.at(step).at(i), type);
    optimizer.step();
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const torch::Tensor expected = tensor(one.at("params").at(step).at(i), type);
      EXPECT_LT(relative_error(ours[i].detach(), expected), allowed)
          << "step " << step << ", parameter " << i;
    }
  }
}

TEST(Golden, EveryFileIsOfAKnownReference) {
  for (const std::string& name : golden_files()) {
    EXPECT_TRUE(name.starts_with("torch_optim_muon") || name.starts_with("muon_with_aux_adam") ||
                name.starts_with("two_optimizers_net"))
        << name << " would not be replayed";
  }
}

TEST(Golden, TorchOptimMuon) {
  for (const Case& one : cases_of("torch_optim_muon")) {
    SCOPED_TRACE(one.name() + ": " + one.at("ns_dtype").dump() + " " + one.at("options").dump());
    const auto type = param_dtype(one);
    auto ours = parameters(one.at("initial"), type);
    muon::Muon optimizer(
        ours, muon_options(one, "options", muon::MuonOptions().compute_dtype(compute_dtype(one))));
    replay(one, optimizer, ours, type);
    const Json& buffers = one.at("momentum_buffer");
    ASSERT_EQ(buffers.size(), ours.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const torch::Tensor expected = tensor(buffers.at(i), type);
      bool found = false;
      for (const auto& [key, state] : optimizer.state()) {
        const torch::Tensor& buffer = static_cast<muon::MuonParamState&>(*state).momentum_buffer();
        if (buffer.sizes() == expected.sizes() && relative_error(buffer, expected) < 1e-6)
          found = true;
      }
      EXPECT_TRUE(found) << "no state holds the momentum of parameter " << i;
    }
  }
}

/// A recipe that keeps AdamW's rate and decay, against PyTorch's own way to do it.
TEST(Golden, DropInIsTorchOptimMuon) {
  std::size_t replayed = 0;
  for (const Case& one : cases_of("torch_optim_muon")) {
    const Json& options = one.at("options");
    if (options.value("adjust_lr_fn", Json()) != "match_rms_adamw") continue;
    SCOPED_TRACE(one.name() + ": " + one.at("ns_dtype").dump());
    const auto adamw = torch::optim::AdamWOptions(options.at("lr").get<double>())
                           .weight_decay(muon::MuonOptions().weight_decay());  // the case has none
    auto ours = parameters(one.at("initial"), param_dtype(one));
    muon::MuonOptions recipe = muon::drop_in(adamw).muon;
    recipe.method(muon::Method::newton_schulz).compute_dtype(compute_dtype(one));
    EXPECT_EQ(recipe,
              muon_options(one, "options", muon::MuonOptions().compute_dtype(compute_dtype(one))));
    muon::Muon optimizer(ours, recipe);
    replay(one, optimizer, ours, param_dtype(one));
    ++replayed;
  }
  EXPECT_GE(replayed, 3u);  // one for each type of the products
}

TEST(Golden, MuonWithAuxAdam) {
  for (const Case& one : cases_of("muon_with_aux_adam")) {
    SCOPED_TRACE(one.name() + ": " + one.at("ns_dtype").dump() + " " +
                 one.at("muon_options").dump());
    const auto type = param_dtype(one);
    auto ours = parameters(one.at("initial"), type);
    ASSERT_EQ(one.at("use_muon").size(), ours.size());
    std::vector<torch::Tensor> for_muon, for_adam;
    for (std::size_t i = 0; i < ours.size(); ++i)
      (one.at("use_muon").at(i).get<bool>() ? for_muon : for_adam).push_back(ours[i]);
    const auto muon = muon_options(one, "muon_options",
                                   muon::keller_jordan_muon().compute_dtype(compute_dtype(one)));
    const auto adam = adamw_options(one, "adam_options", muon::keller_jordan_adam());
    muon::MuonWithAuxAdam optimizer(
        {{for_muon, std::make_unique<muon::MuonOptions>(muon)},
         {for_adam, std::make_unique<torch::optim::AdamWOptions>(adam)}});
    replay(one, optimizer, ours, type);
  }
}

/// Two linear layers of the sizes that the recorded parameters have, with a ReLU between them.
struct Net : torch::nn::Module {
  explicit Net(const Case& one) {
    const auto [hidden, inputs] = sizes(one, "fc1.weight");
    const auto [outputs, hidden_again] = sizes(one, "fc2.weight");
    if (hidden != hidden_again)
      throw std::runtime_error(one.name() + ": fc1 and fc2 do not fit together");
    fc1 = register_module("fc1", torch::nn::Linear(inputs, hidden));
    fc2 = register_module("fc2", torch::nn::Linear(hidden, outputs));
    for (const auto& [name, value] : one.at("initial").items()) {
      if (!named_parameters().contains(name))
        throw std::runtime_error(one.name() + ": unknown parameter '" + name + "'");
    }
    to(torch::kFloat64);
    const torch::NoGradGuard no_grad;
    for (auto& entry : named_parameters())
      entry.value().copy_(tensor(one.at("initial").at(entry.key()), torch::kFloat64));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return fc2->forward(torch::relu(fc1->forward(x)));
  }
  torch::nn::Linear fc1{nullptr}, fc2{nullptr};

 private:
  static std::pair<std::int64_t, std::int64_t> sizes(const Case& one, const std::string& name) {
    const Json& shape = one.at("initial").at(name).at("shape");
    return {shape.at(0).get<std::int64_t>(), shape.at(1).get<std::int64_t>()};
  }
};

/// A whole training run: autograd, torch::optim::AdamW and Muon side by side.
TEST(Golden, TwoOptimizersTrainANet) {
  for (const Case& one : cases_of("two_optimizers_net")) {
    SCOPED_TRACE(one.name());
    Net net(one);
    const torch::Tensor x = tensor(one.at("x"), torch::kFloat64);
    const torch::Tensor y = torch::tensor(one.at("y").get<std::vector<std::int64_t>>());
    muon::Muon muon(std::vector<torch::Tensor>{net.fc1->weight},
                    muon_options(one, "muon_options",
                                 muon::MuonOptions().compute_dtype(muon::ComputeDtype::float64)));
    torch::optim::AdamW adamw({net.fc1->bias, net.fc2->weight, net.fc2->bias},
                              adamw_options(one, "adamw_options", torch::optim::AdamWOptions()));
    const Json& losses = one.at("losses");
    ASSERT_FALSE(losses.empty());
    ASSERT_EQ(losses.size(), one.at("grad_norms").size());
    for (std::size_t step = 0; step < losses.size(); ++step) {
      muon.zero_grad();
      adamw.zero_grad();
      const torch::Tensor loss = torch::nn::functional::cross_entropy(net.forward(x), y);
      loss.backward();
      const auto trained = net.named_parameters();
      ASSERT_EQ(trained.size(), one.at("grad_norms").at(step).size());
      for (std::size_t i = 0; i < trained.size(); ++i) {
        EXPECT_NEAR(trained[i].value().grad().norm().item<double>(),
                    one.at("grad_norms").at(step).at(i).get<double>(), 1e-9)
            << "step " << step << ", " << trained[i].key();
      }
      muon.step();
      adamw.step();
      EXPECT_NEAR(loss.item<double>(), losses.at(step).get<double>(), 1e-9) << "step " << step;
    }
    for (const auto& entry : net.named_parameters()) {
      EXPECT_LT(relative_error(entry.value().detach(),
                               tensor(one.at("final").at(entry.key()), torch::kFloat64)),
                1e-9)
          << entry.key();
    }
  }
}

}  // namespace
