// The reference trajectories of tests/golden, replayed. Each file says which reference made it.
//
// Tolerances are relative to the largest entry of the reference tensor:
//   float64    1e-9   the same operations in another order: 5 steps of 3 products, each about 1e-16 and amplified by the
//                     polynomial's slope, 485
//   float32    2e-5   the same, from 6e-8
//   bfloat16   2e-2   products rounded to 8 bits, 4e-3 each, at other places than in the reference
#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::json;

Json golden(const std::string& file) {
  const char* folder = std::getenv("MUON_GOLDEN_DIR");
  const std::string path = std::string(folder != nullptr ? folder : MUON_GOLDEN_DIR) + "/" + file;
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  return Json::parse(in);
}

torch::Tensor tensor(const Json& json, torch::ScalarType type) {
  const auto shape = json.at("shape").get<std::vector<std::int64_t>>();
  const auto data = json.at("data").get<std::vector<double>>();
  return torch::tensor(data, torch::kFloat64).reshape(shape).to(type);
}

torch::ScalarType type_named(const std::string& name) { return name == "float64" ? torch::kFloat64 : torch::kFloat32; }

muon::ComputeType compute_type(const std::string& name) {
  if (name == "float64") return muon::ComputeType::float64;
  return name == "float32" ? muon::ComputeType::float32 : muon::ComputeType::bfloat16;
}

double tolerance(const std::string& ns_dtype) {
  if (ns_dtype == "float64") return 1e-9;
  return ns_dtype == "float32" ? 2e-5 : 2e-2;
}

double relative_error(const torch::Tensor& ours, const torch::Tensor& reference) {
  const double largest = reference.abs().max().item<double>();
  return (ours - reference).abs().max().item<double>() / (largest > 0 ? largest : 1);
}

muon::MuonOptions muon_options(const Json& json, muon::MuonOptions options) {
  for (const auto& [key, value] : json.items()) {
    if (key == "lr") options.lr(value.get<double>());
    else if (key == "weight_decay") options.weight_decay(value.get<double>());
    else if (key == "momentum") options.momentum(value.get<double>());
    else if (key == "nesterov") options.nesterov(value.get<bool>());
    else if (key == "ns_steps") options.ns_steps(value.get<int>());
    else if (key == "eps") options.eps(value.get<double>());
    else if (key == "ns_coefficients") options.ns_coefficients({{value.at(0), value.at(1), value.at(2)}});
    else if (key == "adjust_lr_fn") {
      options.adjust_lr_fn(value == "match_rms_adamw" ? muon::AdjustLr::match_rms_adamw : muon::AdjustLr::spectral_unclamped);
    } else throw std::runtime_error("unknown option in a golden file: " + key);
  }
  return options;
}

torch::optim::AdamWOptions adamw_options(const Json& json, torch::optim::AdamWOptions options) {
  for (const auto& [key, value] : json.items()) {
    if (key == "lr") options.lr(value.get<double>());
    else if (key == "weight_decay") options.weight_decay(value.get<double>());
    else if (key == "eps") options.eps(value.get<double>());
    else if (key == "betas") options.betas({value.at(0).get<double>(), value.at(1).get<double>()});
    else throw std::runtime_error("unknown option in a golden file: " + key);
  }
  return options;
}

std::vector<torch::Tensor> parameters(const Json& list, torch::ScalarType type) {
  std::vector<torch::Tensor> result;
  for (const Json& entry : list) result.push_back(tensor(entry, type).requires_grad_());
  return result;
}

/// Feeds the recorded gradients and compares every parameter after every step.
void replay(const Json& one, torch::optim::Optimizer& optimizer, std::vector<torch::Tensor>& ours, torch::ScalarType type) {
  const double allowed = tolerance(one.at("ns_dtype"));
  for (std::size_t step = 0; step < one.at("grads").size(); ++step) {
    for (std::size_t i = 0; i < ours.size(); ++i) ours[i].mutable_grad() = tensor(one["grads"][step][i], type);
    optimizer.step();
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const torch::Tensor expected = tensor(one.at("params")[step][i], type);
      EXPECT_LT(relative_error(ours[i].detach(), expected), allowed) << "step " << step << ", parameter " << i;
    }
  }
}

TEST(Golden, TorchOptimMuon) {
  const Json cases = golden("torch_optim_muon.json");
  ASSERT_EQ(cases.size(), 33u);
  for (std::size_t c = 0; c < cases.size(); ++c) {
    const Json& one = cases[c];
    SCOPED_TRACE("case " + std::to_string(c) + ": " + one.at("ns_dtype").get<std::string>() + " " + one.at("options").dump());
    const auto type = type_named(one.at("param_dtype"));
    auto ours = parameters(one.at("initial"), type);
    muon::Muon optimizer(ours,
                         muon_options(one.at("options"), muon::MuonOptions().compute_type(compute_type(one.at("ns_dtype")))));
    replay(one, optimizer, ours, type);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const auto buffers = one.at("momentum_buffer");
      bool found = false;
      for (const auto& [key, state] : optimizer.state()) {
        const torch::Tensor& buffer = static_cast<muon::MuonParamState&>(*state).momentum_buffer();
        const torch::Tensor expected = tensor(buffers[i], type);
        if (buffer.sizes() == expected.sizes() && relative_error(buffer, expected) < 1e-6) found = true;
      }
      EXPECT_TRUE(found) << "no state holds the momentum of parameter " << i;
    }
  }
}

TEST(Golden, MuonWithAuxAdam) {
  const Json cases = golden("muon_with_aux_adam.json");
  ASSERT_EQ(cases.size(), 9u);
  for (std::size_t c = 0; c < cases.size(); ++c) {
    const Json& one = cases[c];
    SCOPED_TRACE("case " + std::to_string(c) + ": " + one.at("ns_dtype").get<std::string>() + " " +
                 one.at("muon_options").dump());
    const auto type = type_named(one.at("param_dtype"));
    auto ours = parameters(one.at("initial"), type);
    std::vector<torch::Tensor> for_muon, for_adam;
    for (std::size_t i = 0; i < ours.size(); ++i) (one.at("use_muon")[i].get<bool>() ? for_muon : for_adam).push_back(ours[i]);
    const auto muon =
        muon_options(one.at("muon_options"), muon::keller_jordan_muon().compute_type(compute_type(one.at("ns_dtype"))));
    const auto adam = adamw_options(one.at("adam_options"), muon::keller_jordan_adam());
    muon::MuonWithAuxAdam optimizer(
        {{for_muon, std::make_unique<muon::MuonOptions>(muon)}, {for_adam, std::make_unique<torch::optim::AdamWOptions>(adam)}});
    replay(one, optimizer, ours, type);
  }
}

struct Net : torch::nn::Module {
  Net() {
    fc1 = register_module("fc1", torch::nn::Linear(20, 16));
    fc2 = register_module("fc2", torch::nn::Linear(16, 4));
  }
  torch::Tensor forward(const torch::Tensor& x) { return fc2->forward(torch::relu(fc1->forward(x))); }
  torch::nn::Linear fc1{nullptr}, fc2{nullptr};
};

/// A whole training run: autograd, torch::optim::AdamW and Muon side by side.
TEST(Golden, TwoOptimizersTrainANet) {
  const Json one = golden("two_optimizers_net.json").at(0);
  Net net;
  net.to(torch::kFloat64);
  {
    const torch::NoGradGuard no_grad;
    for (auto& entry : net.named_parameters()) entry.value().copy_(tensor(one.at("initial").at(entry.key()), torch::kFloat64));
  }
  const torch::Tensor x = tensor(one.at("x"), torch::kFloat64);
  const torch::Tensor y = torch::tensor(one.at("y").get<std::vector<std::int64_t>>());
  muon::Muon muon(std::vector<torch::Tensor>{net.fc1->weight},
                  muon_options(one.at("muon_options"), muon::MuonOptions().compute_type(muon::ComputeType::float64)));
  torch::optim::AdamW adamw({net.fc1->bias, net.fc2->weight, net.fc2->bias},
                            adamw_options(one.at("adamw_options"), torch::optim::AdamWOptions()));
  const auto& losses = one.at("losses");
  ASSERT_EQ(losses.size(), 30u);
  for (std::size_t step = 0; step < losses.size(); ++step) {
    muon.zero_grad();
    adamw.zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(net.forward(x), y);
    loss.backward();
    const auto named = net.named_parameters();
    for (std::size_t i = 0; i < named.size(); ++i) {
      EXPECT_NEAR(named[i].value().grad().norm().item<double>(), one.at("grad_norms")[step][i].get<double>(), 1e-9);
    }
    muon.step();
    adamw.step();
    EXPECT_NEAR(loss.item<double>(), losses[step].get<double>(), 1e-9) << "step " << step;
  }
  for (const auto& entry : net.named_parameters()) {
    EXPECT_LT(relative_error(entry.value().detach(), tensor(one.at("final").at(entry.key()), torch::kFloat64)), 1e-9)
        << entry.key();
  }
}

}  // namespace
