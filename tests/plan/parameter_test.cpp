// describe(): names, owners, roles with their evidence, ties, views.
#include "plan/describing.hpp"
#include "support/errors.hpp"

#include <torch/script.h>
#include <torch/torch.h>

#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace nn = torch::nn;
using muon::describe;
using muon::Evidence;
using muon::MatrixShape;
using muon::Parameter;
using muon::Role;
using Shapes = std::vector<MatrixShape>;

/// The description of one parameter of a model that holds `module` as "part" and ends in a head of
/// its own.
template <typename Holder>
Parameter described(const Holder& module, const std::string& local = "weight") {
  nn::Module model;
  model.register_module("part", module);
  model.register_module("lm_head", nn::Linear(2, 2));
  return find(describe(model), "part." + local);
}

Shapes shapes(const Parameter& p) { return p.view.shapes(p.shape); }

struct MyLinearImpl : nn::LinearImpl {
  using nn::LinearImpl::LinearImpl;
};

struct RMSNormImpl : nn::Module {
  RMSNormImpl() { register_parameter("scale", torch::ones(4)); }
};

struct CoupledImpl : nn::Module {
  explicit CoupledImpl(at::IntArrayRef shape, const std::string& local = "coupling") {
    register_parameter(local, torch::ones(shape));
  }
};

// ---- names ----

TEST(DescribeNames, AreLibTorchs) {
  nn::ModuleDict dict(std::vector<std::pair<std::string, std::shared_ptr<nn::Module>>>{
      {"a", nn::Linear(2, 2).ptr()}});
  nn::Sequential named({{"fc1", nn::Linear(2, 2)}, {"act", nn::ReLU()}, {"fc2", nn::Linear(2, 2)}});
  nn::Module model;
  model.register_parameter("my_param", torch::ones({2, 2}));
  nn::Linear without_bias(nn::LinearOptions(2, 2).bias(false));
  model.register_module("features", nn::Sequential(nn::Linear(2, 2), nn::ReLU(), without_bias));
  model.register_module("mlp", named);
  model.register_module("list", nn::ModuleList(nn::Sequential(nn::Linear(2, 2)),
                                               nn::LayerNorm(nn::LayerNormOptions({2}))));
  model.register_module("dict", dict);
  const Names expected{"my_param",          "features.0.weight", "features.0.bias",
                       "features.2.weight", "mlp.fc1.weight",    "mlp.fc1.bias",
                       "mlp.fc2.weight",    "mlp.fc2.bias",      "list.0.0.weight",
                       "list.0.0.bias",     "list.1.weight",     "list.1.bias",
                       "dict.a.weight",     "dict.a.bias"};
  EXPECT_EQ(names(describe(model)), expected);
  EXPECT_EQ(model.named_parameters().keys(), expected);
}

TEST(DescribeNames, OfASequentialItselfAreNumbers) {
  nn::Sequential model(nn::Linear(2, 2), nn::ReLU(), nn::Linear(2, 2));
  EXPECT_EQ(names(describe(*model)), (Names{"0.weight", "0.bias", "2.weight", "2.bias"}));
}

TEST(DescribeNames, LeaveOutFrozenParameters) {
  nn::Sequential model(nn::Linear(2, 2), nn::Linear(2, 2));
  for (auto& p : model[0]->parameters()) p.requires_grad_(false);
  EXPECT_EQ(names(describe(*model)), (Names{"1.weight", "1.bias"}));
}

TEST(Describe, GivesTensorShapeAndOwner) {
  nn::Linear fc(3, 2);
  const auto weight = described(fc);
  EXPECT_TRUE(weight.tensor.is_same(fc->weight));
  EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(weight.module_type, "Linear");
  EXPECT_EQ(weight.groups, 1);
  EXPECT_TRUE(weight.aliases.empty());
}

TEST(Describe, AModelWithoutParametersIsEmpty) { EXPECT_TRUE(describe(nn::Module()).empty()); }

TEST(DescribeOwner, OfALinearsSubclassIsLinear) {
  EXPECT_EQ(described(std::make_shared<MyLinearImpl>(3, 2)).module_type, "Linear");
  expect_role(described(std::make_shared<MyLinearImpl>(3, 2)), Role::hidden_matrix,
              Evidence::module_type);
}

TEST(DescribeOwner, OfAUsersClassIsItsName) {
  EXPECT_EQ(described(std::make_shared<CoupledImpl>(at::IntArrayRef{4, 3}), "coupling").module_type,
            "Coupled");
  EXPECT_EQ(described(std::make_shared<RMSNormImpl>(), "scale").module_type, "RMSNorm");
}

// ---- roles ----

TEST(DescribeRole, ByModuleType) {
  expect_role(described(nn::Linear(3, 2)), Role::hidden_matrix, Evidence::module_type);
  expect_role(described(nn::Linear(3, 2), "bias"), Role::bias, Evidence::module_type);
  expect_role(described(nn::Embedding(3, 2)), Role::embedding, Evidence::module_type);
  expect_role(described(nn::EmbeddingBag(3, 2)), Role::embedding, Evidence::module_type);
  expect_role(described(nn::Conv2d(3, 2, 3)), Role::convolution, Evidence::module_type);
  expect_role(described(nn::Conv2d(3, 2, 3), "bias"), Role::bias, Evidence::module_type);
  expect_role(described(nn::BatchNorm2d(3)), Role::gain, Evidence::module_type);
  expect_role(described(nn::GroupNorm(1, 3), "bias"), Role::bias, Evidence::module_type);
  expect_role(described(std::make_shared<RMSNormImpl>(), "scale"), Role::gain,
              Evidence::module_type);
  EXPECT_NE(described(nn::Linear(3, 2)).reason.find("weight of Linear"), std::string::npos);
}

TEST(DescribeRole, ATwoDimensionalGainIsAGain) {
  expect_role(described(nn::LayerNorm(nn::LayerNormOptions({3, 4}))), Role::gain,
              Evidence::module_type);
}

TEST(DescribeRole, OfAnUnknownOwnersParameterIsByNameThenShape) {
  const auto bare = [](at::IntArrayRef shape, const std::string& local) {
    return described(std::make_shared<CoupledImpl>(shape, local), local);
  };
  expect_role(bare({1, 9, 4}, "pos_embed"), Role::embedding, Evidence::name);
  expect_role(bare({1, 1, 4}, "cls_token"), Role::embedding, Evidence::name);
  expect_role(bare({4}, "beta"), Role::bias, Evidence::name);
  expect_role(bare({4}, "gamma"), Role::gain, Evidence::name);
  expect_role(bare({4}, "mystery"), Role::other, Evidence::shape);
  expect_role(bare({4, 3}, "mystery"), Role::hidden_matrix, Evidence::shape);
  expect_role(bare({4, 3, 2, 2}, "mystery"), Role::convolution, Evidence::shape);
}

TEST(DescribeRole, ATypeIsNotOverruledByAName) {
  nn::Module model;
  model.register_module("patch_embed", nn::Linear(3, 2));
  model.register_module("head", nn::Embedding(3, 2));
  model.register_module("lm_head", nn::Linear(2, 3));
  const auto parameters = describe(model);
  expect_role(find(parameters, "patch_embed.weight"), Role::hidden_matrix, Evidence::module_type);
  expect_role(find(parameters, "head.weight"), Role::embedding, Evidence::module_type);
}

// ---- the head ----

// ---- ties ----

TEST(DescribeTie, OneModuleUnderTwoNamesIsOneParameter) {
  nn::Linear shared(4, 4);
  nn::Module model;
  model.register_module("first", shared);
  model.register_module("again", shared);
  model.register_module("head", nn::Linear(4, 2));
  const auto parameters = describe(model);
  EXPECT_EQ(names(parameters), (Names{"first.weight", "first.bias", "head.weight", "head.bias"}));
  EXPECT_EQ(find(parameters, "first.weight").aliases, Names{"again.weight"});
  expect_role(find(parameters, "first.weight"), Role::hidden_matrix, Evidence::module_type);
}

struct TiedHeadImpl : nn::LinearImpl {
  explicit TiedHeadImpl(const torch::Tensor& table)
      : nn::LinearImpl(nn::LinearOptions(table.size(1), table.size(0)).bias(false)) {
    parameters_["weight"] = table;
    weight = table;
  }
};

TEST(DescribeTie, AnEmbeddingSharedWithAHeadIsAnEmbedding) {
  nn::Embedding wte(6, 4);
  for (const bool head_first : {false, true}) {
    nn::Module model;
    if (head_first) model.register_module("head", std::make_shared<TiedHeadImpl>(wte->weight));
    model.register_module("wte", wte);
    model.register_module("fc", nn::Linear(nn::LinearOptions(4, 4).bias(false)));
    if (!head_first) model.register_module("head", std::make_shared<TiedHeadImpl>(wte->weight));
    const auto parameters = describe(model);
    ASSERT_EQ(parameters.size(), 2u);
    const Parameter& tied = find(parameters, head_first ? "head.weight" : "wte.weight");
    expect_role(tied, Role::embedding, Evidence::tie);
    EXPECT_NE(tied.reason.find(head_first ? "wte.weight" : "head.weight"), std::string::npos)
        << tied.reason;
    // the head is known
    expect_role(find(parameters, "fc.weight"), Role::hidden_matrix, Evidence::module_type);
  }
}

TEST(DescribeTie, AnEmbeddingsTensorRegisteredInAUsersModule) {
  nn::Embedding wte(6, 4);
  nn::Module model;
  model.register_module("wte", wte);
  auto users = std::make_shared<nn::Module>("Head");
  users->register_parameter("weight", wte->weight);
  model.register_module("out", users);
  const auto parameters = describe(model);
  ASSERT_EQ(parameters.size(), 1u);
  EXPECT_EQ(parameters[0].aliases, Names{"out.weight"});
  expect_role(parameters[0], Role::embedding, Evidence::tie);
}

TEST(DescribeTie, AMemberReplacedAfterRegistrationIsAnErrorThatNamesIt) {
  nn::Embedding wte(6, 4);
  nn::Linear head(4, 6), other(2, 2);
  nn::Module model;
  model.register_module("wte", wte);
  model.register_module("head", head);
  model.register_module("other", other);
  head->weight = wte->weight;
  other->bias = torch::zeros(2);
  const std::string text = message_of<std::invalid_argument>([&] { (void)describe(model); });
  expect_mentions(text, {"[parameter]", "'head.weight'", "'other.bias'", "register"});
  EXPECT_EQ(text.find("wte.weight"), std::string::npos) << text;
}

// ---- views ----

TEST(DescribeView, OfConvolutions) {
  EXPECT_EQ(shapes(described(nn::Conv1d(4, 8, 3))), (Shapes{{1, 8, 12}}));
  EXPECT_EQ(shapes(described(nn::Conv2d(3, 8, 3))), (Shapes{{1, 8, 27}}));
  EXPECT_EQ(shapes(described(nn::Conv3d(2, 8, 3))), (Shapes{{1, 8, 54}}));
  EXPECT_EQ(shapes(described(nn::Conv2d(nn::Conv2dOptions(4, 8, 3).groups(2)))),
            (Shapes{{2, 4, 18}}));
  EXPECT_EQ(shapes(described(nn::Conv2d(nn::Conv2dOptions(4, 4, 3).groups(4)))),
            (Shapes{{4, 1, 9}}));
  EXPECT_EQ(described(nn::Conv2d(nn::Conv2dOptions(4, 8, 3).groups(2))).groups, 2);
}

TEST(DescribeView, OfATransposedConvolutionHasTheOutputsAsRows) {
  EXPECT_EQ(shapes(described(nn::ConvTranspose2d(4, 8, 3))), (Shapes{{1, 72, 4}}));
  EXPECT_EQ(shapes(described(nn::ConvTranspose2d(nn::ConvTranspose2dOptions(4, 8, 3).groups(2)))),
            (Shapes{{2, 36, 2}}));
}

TEST(DescribeView, OfAttentionIsThreeMatrices) {
  const auto weight = described(nn::MultiheadAttention(8, 2), "in_proj_weight");
  expect_role(weight, Role::hidden_matrix, Evidence::module_type);
  EXPECT_EQ(weight.module_type, "MultiheadAttention");
  EXPECT_EQ(shapes(weight), (Shapes{{3, 8, 8}}));
  expect_role(described(nn::MultiheadAttention(8, 2), "in_proj_bias"), Role::bias,
              Evidence::module_type);
  EXPECT_EQ(described(nn::MultiheadAttention(8, 2), "out_proj.weight").role, Role::hidden_matrix);
}

TEST(DescribeView, OfRecurrentNetworksIsOneMatrixAGate) {
  EXPECT_EQ(shapes(described(nn::LSTM(3, 5), "weight_ih_l0")), (Shapes{{4, 5, 3}}));
  EXPECT_EQ(shapes(described(nn::LSTM(3, 5), "weight_hh_l0")), (Shapes{{4, 5, 5}}));
  EXPECT_EQ(shapes(described(nn::GRU(3, 5), "weight_ih_l0")), (Shapes{{3, 5, 3}}));
  EXPECT_EQ(shapes(described(nn::RNN(3, 5), "weight_ih_l0")), (Shapes{{1, 5, 3}}));
  expect_role(described(nn::LSTM(3, 5), "bias_ih_l0"), Role::bias, Evidence::module_type);
}

TEST(DescribeView, OfOtherTensorsIsAStackOrAKernel) {
  const auto bare = [](at::IntArrayRef shape) {
    return shapes(described(std::make_shared<CoupledImpl>(shape), "coupling"));
  };
  EXPECT_EQ(bare({3, 4, 5}), (Shapes{{3, 4, 5}}));
  EXPECT_EQ(bare({4, 3, 2, 2}), (Shapes{{1, 4, 12}}));
}

/// The names of LibTorch's classes on classes of the user's, with sizes that fit none of their
/// layouts.
TEST(DescribeView, OfAUsersClassFitsItsShape) {
  struct LSTMLikeImpl : nn::Module {
    LSTMLikeImpl() { register_parameter("weight_ih", torch::ones({7, 3})); }
  };
  const auto weight = described(std::make_shared<LSTMLikeImpl>(), "weight_ih");
  EXPECT_EQ(weight.module_type, "LSTMLike");
  EXPECT_EQ(shapes(weight), (Shapes{{1, 7, 3}}));
}

// ---- parameters without values ----

TEST(DescribeEmpty, IsAdamWsWhereverTheZeroIs) {
  nn::Module model;
  int count = 0;
  for (std::size_t dims = 1; dims <= 5; ++dims) {
    for (std::size_t zero = 0; zero < dims; ++zero) {
      std::vector<std::int64_t> shape(dims, 4);
      shape[zero] = 0;
      model.register_module("part" + std::to_string(count++), std::make_shared<CoupledImpl>(shape));
    }
  }
  nn::Linear hidden(4, 4);
  model.register_module("hidden", hidden);
  const muon::Plan plan = muon::make_plan(model);
  EXPECT_EQ(plan.assignments().size(), static_cast<std::size_t>(count) + 2);
  for (const muon::Assignment& a : plan.assignments()) {
    if (a.parameter.tensor.numel() > 0) continue;
    EXPECT_EQ(a.algorithm, muon::Algorithm::adamw) << a.parameter.name;
    EXPECT_FALSE(a.parameter.low_confidence) << a.parameter.name;
  }
  EXPECT_EQ(find(describe(model), "hidden.weight").evidence, Evidence::position);
  const torch::Tensor before = hidden->weight.detach().clone();
  muon::MuonWithAuxAdam optimizer(plan);
  torch::Tensor loss = hidden->forward(torch::ones({2, 4})).sum();
  for (const torch::Tensor& p : model.parameters()) loss = loss + p.sum();
  loss.backward();
  optimizer.step();
  EXPECT_FALSE(torch::equal(hidden->weight, before));
}

TEST(DescribeEmpty, OfLibTorchsModules) {
  nn::Linear linear(nn::LinearOptions(2, 2).bias(false));
  nn::Conv2d convolution(nn::Conv2dOptions(2, 2, 1).bias(false));
  nn::MultiheadAttention attention(2, 1);
  nn::Module model;
  model.register_module("linear", linear);
  model.register_module("convolution", convolution);
  model.register_module("attention", attention);
  model.register_module("lm_head", nn::Linear(2, 2));
  for (const std::int64_t outputs : {0, 4}) {
    linear->weight.set_data(torch::zeros({outputs, 4 - outputs}));
    convolution->weight.set_data(torch::zeros({outputs, 4 - outputs, 3, 3}));
    attention->in_proj_weight.set_data(torch::zeros({3 * outputs, 4 - outputs}));
    const muon::Plan plan = muon::make_plan(model);
    for (const muon::Assignment& a : plan.assignments()) {
      if (a.parameter.tensor.numel() > 0) continue;
      EXPECT_EQ(a.algorithm, muon::Algorithm::adamw) << a.parameter.name;
    }
    EXPECT_NE(plan.table().find("rule 'no values'"), std::string::npos);
  }
}

TEST(DescribeEmpty, IsNotTakenForTheHead) {
  nn::Sequential model(nn::Linear(4, 4), nn::ReLU(), nn::Linear(4, 2), nn::Linear(2, 0));
  EXPECT_EQ(find(describe(*model), "2.weight").role, Role::output_head);
}

// ---- names where no type tells ----

TEST(DescribeNamesOfUsers, AnExpertsBiasIsABias) {
  auto experts = std::make_shared<nn::Module>("Experts");
  experts->register_parameter("weight", torch::ones({4, 8, 16}));
  experts->register_parameter("bias", torch::ones({4, 8}));
  expect_role(described(std::make_shared<CoupledImpl>(at::IntArrayRef{4, 8}, "bias"), "bias"),
              Role::bias, Evidence::name);
  nn::Module model;
  model.register_module("experts", experts);
  const muon::Plan plan = muon::make_plan(model);
  for (const muon::Assignment& a : plan.assignments()) {
    const bool bias = a.parameter.name == "experts.bias";
    EXPECT_EQ(a.algorithm, bias ? muon::Algorithm::adamw : muon::Algorithm::muon)
        << a.parameter.name;
  }
}

TEST(DescribeTie, ATableUnderAUsersOwnersIsOneByItsHeadsName) {
  const torch::Tensor table = torch::ones({6, 4});
  auto tokens = std::make_shared<nn::Module>("Tokens"), head = std::make_shared<nn::Module>("Head");
  tokens->register_parameter("weight", table);
  head->register_parameter("weight", table);
  nn::Module model;
  model.register_module("tok", tokens);
  model.register_module("up", nn::Linear(4, 8));
  model.register_module("down", nn::Linear(8, 4));
  model.register_module("head", head);
  const auto parameters = describe(model);
  expect_role(find(parameters, "tok.weight"), Role::embedding, Evidence::tie);
  expect_role(find(parameters, "down.weight"), Role::hidden_matrix, Evidence::module_type);
}

// ---- TorchScript ----

torch::jit::Module script(const std::string& type) {
  return torch::jit::Module("__torch__." + type);
}

torch::jit::Module script_linear(const torch::Tensor& weight) {
  auto module = script("torch.nn.modules.linear.Linear");
  module.register_parameter("weight", weight, /*is_buffer=*/false);
  module.define("def forward(self, x):\n  return torch.matmul(x, self.weight.t())\n");
  return module;
}

torch::Tensor trainable(at::IntArrayRef shape) { return torch::ones(shape).requires_grad_(); }

torch::jit::Module script_net() {
  const torch::Tensor table = trainable({6, 4});
  auto embedding = script("torch.nn.modules.sparse.Embedding");
  embedding.register_parameter("weight", table, false);
  auto convolution = script("torch.nn.modules.conv.Conv2d");
  convolution.register_parameter("weight", trainable({8, 2, 3, 3}), false);
  convolution.register_attribute("groups", c10::IntType::get(), 2);
  auto net = script("Net");
  net.register_parameter("bare", trainable({4}), false);
  net.register_parameter("frozen", torch::ones({4, 4}), false);
  net.register_module("wte", embedding);
  net.register_module("conv", convolution);
  net.register_module("fc", script_linear(trainable({4, 4})));
  net.register_module("head", script_linear(table));
  net.define("def forward(self, x):\n  return self.head.forward(self.fc.forward(x))\n");
  return net;
}

void expect_script_net(const std::vector<Parameter>& parameters) {
  EXPECT_EQ(find(parameters, "bare").module_type, "Net");
  expect_role(find(parameters, "wte.weight"), Role::embedding, Evidence::tie);
  EXPECT_EQ(find(parameters, "wte.weight").aliases, Names{"head.weight"});
  expect_role(find(parameters, "fc.weight"), Role::hidden_matrix, Evidence::module_type);
  EXPECT_EQ(find(parameters, "fc.weight").module_type, "Linear");
  expect_role(find(parameters, "conv.weight"), Role::convolution, Evidence::module_type);
  EXPECT_EQ(shapes(find(parameters, "conv.weight")), (Shapes{{2, 4, 18}}));
  EXPECT_EQ(find(parameters, "conv.weight").groups, 2);
}

TEST(DescribeScript, KnowsNamesOwnersAndTies) {
  const auto parameters = describe(script_net());
  EXPECT_EQ(names(parameters), (Names{"bare", "wte.weight", "conv.weight", "fc.weight"}));
  expect_script_net(parameters);
}

TEST(DescribeScript, KnowsAModuleReadFromAFile) {
  std::stringstream file;
  script_net().save(file);
  const auto net = torch::jit::load(file);
  expect_script_net(describe(net));
}

/// As torch::save writes a model of a user's: modules without their types.
TEST(DescribeScript, WithoutTypesNamesTell) {
  auto net = script("Net");
  for (const auto& [name, rows, columns] : {std::tuple("fc1", 16, 8), std::tuple("fc2", 5, 16)}) {
    auto layer = script("Module");
    layer.register_parameter("weight", trainable({rows, columns}), false);
    net.register_module(name, layer);
  }
  const auto parameters = describe(net);
  expect_role(find(parameters, "fc1.weight"), Role::hidden_matrix, Evidence::name);
  EXPECT_EQ(find(parameters, "fc2.weight").role, Role::output_head);
}

TEST(DescribeScript, ALoadedModuleTrains) {
  std::stringstream file;
  script_net().save(file);
  auto net = torch::jit::load(file);
  const torch::Tensor before = net.attr("fc").toModule().attr("weight").toTensor().detach().clone();
  muon::MuonWithAuxAdam optimizer(net);
  net.forward({torch::tensor({{1.0f, 2.0f, 3.0f, 4.0f}})}).toTensor().sum().backward();
  optimizer.step();
  EXPECT_FALSE(torch::equal(net.attr("fc").toModule().attr("weight").toTensor(), before));
}

}  // namespace
