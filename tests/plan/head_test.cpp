// describe(): which Linear is an output head, and with how much confidence.
#include "plan/describing.hpp"

namespace {

namespace nn = torch::nn;
using muon::describe;

TEST(DescribeHead, IsKnownByName) {
  for (const std::string name : {"head", "lm_head", "output_layer", "classifier", "policy_head"}) {
    nn::Module model;
    model.register_module(name, nn::Linear(4, 3));
    model.register_module("last", nn::Linear(4, 4));
    expect_role(find(describe(model), name + ".weight"), Role::output_head, Evidence::name);
    expect_role(find(describe(model), name + ".bias"), Role::bias, Evidence::module_type);
    expect_role(find(describe(model), "last.weight"), Role::hidden_matrix, Evidence::module_type);
  }
}

TEST(DescribeHead, IsTheLastLinearByPositionOnly) {
  nn::Sequential model(nn::Linear(4, 4), nn::ReLU(), nn::Linear(4, 4),
                       nn::LayerNorm(nn::LayerNormOptions({4})));
  const auto parameters = describe(*model);
  expect_role(find(parameters, "0.weight"), Role::hidden_matrix, Evidence::module_type);
  expect_role(find(parameters, "2.weight"), Role::output_head, Evidence::position);
}

TEST(DescribeHead, IsNotFoundInARepeatedBlock) {
  nn::ModuleList blocks;
  for (int i = 0; i < 3; ++i)
    blocks->push_back(nn::Sequential({{"fc1", nn::Linear(4, 8)}, {"fc2", nn::Linear(8, 4)}}));
  nn::Module model;
  model.register_module("blocks", blocks);
  for (const Parameter& p : describe(model)) EXPECT_NE(p.role, Role::output_head) << p.name;
}

TEST(DescribeHead, IsNotAnAttentionsProjection) {
  nn::Module model;
  model.register_module("fc", nn::Linear(4, 4));
  model.register_module("attention", nn::MultiheadAttention(4, 2));
  for (const Parameter& p : describe(model)) EXPECT_NE(p.role, Role::output_head) << p.name;
}

TEST(DescribeHead, OutputsInsideNumberedBlocksAreHidden) {
  nn::ModuleList blocks;
  for (int i = 0; i < 2; ++i)
    blocks->push_back(nn::Sequential({{"in", nn::Linear(4, 8)}, {"output", nn::Linear(8, 4)}}));
  nn::Module model;
  model.register_module("blocks", blocks);
  expect_role(find(describe(model), "blocks.0.output.weight"), Role::hidden_matrix,
              Evidence::module_type);
}

/// trunk, then a policy and a value network, each a Sequential; the trunk ends in an activation.
struct ActorCritic : nn::Module {
  ActorCritic(const std::string& actor, const std::string& critic) {
    register_module("trunk", nn::Sequential(nn::Linear(4, 8), nn::Tanh()));
    register_module(actor, nn::Sequential(nn::Linear(8, 8), nn::Tanh(), nn::Linear(8, 3)));
    register_module(critic, nn::Sequential(nn::Linear(8, 8), nn::Tanh(), nn::Linear(8, 1)));
  }
};

TEST(DescribeHead, EndsASequentialThatIsCalledLikeOne) {
  for (const auto& [actor, critic] :
       {std::pair("actor", "critic"), std::pair("policy_head", "value_head"),
        std::pair("head_0", "head_1")}) {
    const auto parameters = describe(ActorCritic(actor, critic));
    for (const std::string name : {actor, critic}) {
      expect_role(find(parameters, name + ".0.weight"), Role::hidden_matrix, Evidence::module_type);
      expect_role(find(parameters, name + ".2.weight"), Role::output_head, Evidence::name);
    }
    for (const Parameter& p : parameters) EXPECT_FALSE(p.low_confidence) << p.name;
  }
}

TEST(DescribeHead, ASecondOneWithoutATellingNameIsMarked) {
  const auto parameters = describe(ActorCritic("left", "right"));
  const Parameter left = find(parameters, "left.2.weight"),
                  right = find(parameters, "right.2.weight");
  expect_role(left, Role::output_head, Evidence::shape);
  EXPECT_TRUE(left.low_confidence);
  EXPECT_NE(left.reason.find("its 3 outputs enter no other layer"), std::string::npos)
      << left.reason;
  expect_role(right, Role::output_head, Evidence::position);
  EXPECT_TRUE(right.low_confidence);
  EXPECT_FALSE(find(parameters, "left.0.weight").low_confidence);
  EXPECT_FALSE(find(parameters, "trunk.0.weight").low_confidence);
}

TEST(DescribeHead, EveryElementOfAListOfHeadsIsOne) {
  nn::ModuleList heads;
  for (int i = 0; i < 3; ++i) heads->push_back(nn::Linear(4, 2));
  nn::Module model;
  model.register_module("heads", heads);
  for (const char* name : {"heads.0.weight", "heads.1.weight", "heads.2.weight"}) {
    expect_role(find(describe(model), name), Role::output_head, Evidence::name);
  }
}

TEST(DescribeHead, IsNotALinearWithLayersBehindIt) {
  nn::Module model;
  model.register_module("encode", nn::Linear(64, 8));
  model.register_module("up", nn::ConvTranspose2d(nn::ConvTranspose2dOptions(8, 3, 4)));
  const auto parameters = describe(model);
  expect_role(find(parameters, "encode.weight"), Role::hidden_matrix, Evidence::module_type);
  EXPECT_TRUE(find(parameters, "up.weight").low_confidence);  // the last layer: perhaps the output
  EXPECT_NE(muon::Plan(parameters, muon::default_rules()).table().find("No output head was found"),
            std::string::npos);
}

/// `model` with Linears of these names, in this order.
std::vector<Parameter> with_linears(const Names& linears) {
  nn::Module model;
  for (const std::string& name : linears) model.register_module(name, nn::Linear(4, 4));
  return describe(model);
}

TEST(DescribeHead, ANameWithAttInItIsNotAttention) {
  for (const std::string name : {"pattern_head", "attribute_head"}) {
    expect_role(find(with_linears({"fc", name, "last"}), name + ".weight"), Role::output_head,
                Evidence::name);
  }
  expect_role(find(with_linears({"fc", "pattern"}), "pattern.weight"), Role::output_head,
              Evidence::position);
  expect_role(find(with_linears({"fc", "attn"}), "attn.weight"), Role::hidden_matrix,
              Evidence::module_type);
}

TEST(DescribeHead, AValueBesideAKeyIsAProjection) {
  expect_role(find(with_linears({"policy", "value", "last"}), "value.weight"), Role::output_head,
              Evidence::name);
  const auto attention = with_linears({"query", "key", "value", "to_vocab"});
  expect_role(find(attention, "value.weight"), Role::hidden_matrix, Evidence::module_type);
  expect_role(find(attention, "to_vocab.weight"), Role::output_head, Evidence::name);
}

TEST(DescribeHead, BlocksNumberedWithoutADotAreBlocks) {
  nn::Module model;
  for (int i = 0; i < 3; ++i) {
    model.register_module("block" + std::to_string(i),
                          nn::Sequential({{"in", nn::Linear(4, 8)}, {"out", nn::Linear(8, 4)}}));
  }
  for (const Parameter& p : describe(model)) EXPECT_NE(p.role, Role::output_head) << p.name;
  model.register_module("to_classes", nn::Linear(4, 2));
  expect_role(find(describe(model), "to_classes.weight"), Role::output_head, Evidence::name);
}

TEST(DescribeHead, TwoTiedEmbeddingsAreNotAHead) {
  nn::Embedding shared(10, 4);
  nn::Module model;
  model.register_module("source", shared);
  model.register_module("target", shared);
  model.register_module("generator", nn::Linear(4, 10));
  const auto parameters = describe(model);
  expect_role(find(parameters, "source.weight"), Role::embedding, Evidence::tie);
  expect_role(find(parameters, "generator.weight"), Role::output_head, Evidence::name);
}

/// `layers` as Linears, in this order.
std::vector<Parameter> with_layers(
    const std::vector<std::tuple<std::string, std::int64_t, std::int64_t>>& layers) {
  nn::Module model;
  for (const auto& [name, inputs, outputs] : layers)
    model.register_module(name, nn::Linear(inputs, outputs));
  return describe(model);
}

TEST(DescribeHead, SeveralAreFoundByNameOrByWhereOutputsGo) {
  const auto actor =
      with_layers({{"l1", 24, 64}, {"l2", 64, 64}, {"mu", 64, 6}, {"log_sigma", 64, 6}});
  expect_role(find(actor, "mu.weight"), Role::output_head, Evidence::name);
  expect_role(find(actor, "log_sigma.weight"), Role::output_head, Evidence::name);
  const auto both = with_layers({{"l1", 24, 64}, {"l2", 64, 64}, {"l3", 64, 6}, {"l4", 64, 1}});
  expect_role(find(both, "l3.weight"), Role::output_head, Evidence::shape);
  expect_role(find(both, "l4.weight"), Role::output_head, Evidence::position);
  expect_role(find(both, "l2.weight"), Role::hidden_matrix, Evidence::module_type);
  // as many outputs as the first layer has inputs, which come before it
  const auto square = with_layers({{"l1", 6, 64}, {"l2", 64, 64}, {"l3", 64, 6}, {"l4", 64, 1}});
  EXPECT_TRUE(find(square, "l3.weight").low_confidence) << find(square, "l3.weight").reason;
  // layers of a usual width may be joined with others, so they are only marked
  const auto joined = with_layers({{"states", 20, 48}, {"actions", 6, 16}, {"q", 64, 1}});
  EXPECT_EQ(find(joined, "states.weight").role, Role::hidden_matrix);
  EXPECT_TRUE(find(joined, "states.weight").low_confidence);
}

TEST(DescribeHead, IsTheLastLayerBelowWhatIsCalledOne) {
  auto head = std::make_shared<nn::Module>("PolicyHead");
  head->register_module("fc1", nn::Linear(8, 12));
  head->register_module("fc2", nn::Linear(12, 5));
  nn::Module model;
  model.register_module("policy_head", head);
  model.register_module("body", nn::Linear(8, 8));
  const auto parameters = describe(model);
  expect_role(find(parameters, "policy_head.fc1.weight"), Role::hidden_matrix,
              Evidence::module_type);
  expect_role(find(parameters, "policy_head.fc2.weight"), Role::output_head, Evidence::name);
}

/// One block, in which names of heads are its own layers'.
struct OneBlock : nn::Module {
  explicit OneBlock(bool numbered) {
    auto ffn = std::make_shared<nn::Module>("FeedForward");
    ffn->register_module("value", nn::Linear(16, 8));
    auto mlp = std::make_shared<nn::Module>("Mlp");
    mlp->register_module("fc_out", nn::Linear(16, 8));
    auto block = std::make_shared<nn::Module>("Block");
    block->register_module("ffn", ffn);
    block->register_module("mlp", mlp);
    block->register_module("up", nn::Linear(8, 16));
    block->register_module("down", nn::Linear(16, 8));
    register_module("embed", nn::Embedding(90, 8));
    register_module(numbered ? "block0" : "block", block);
  }
};

TEST(DescribeHead, IsNotInsideTheOnlyBlock) {
  for (const bool numbered : {false, true}) {
    const std::string block = numbered ? "block0" : "block";
    const auto parameters = describe(OneBlock(numbered));
    // the embedding is the head as well, as docs/concepts.md advises
    for (const char* layer : {".ffn.value.weight", ".mlp.fc_out.weight", ".down.weight"})
      EXPECT_EQ(find(parameters, block + layer).role, Role::hidden_matrix) << block << layer;
  }
}

TEST(DescribeHead, FrozenLayersCountForThePosition) {
  nn::Sequential model(nn::Linear(6, 8), nn::ReLU(), nn::Linear(8, 8), nn::ReLU(),
                       nn::Linear(8, 3));
  for (auto& p : model[4]->parameters()) p.requires_grad_(false);
  const auto parameters = describe(*model);
  EXPECT_EQ(names(parameters), (Names{"0.weight", "0.bias", "2.weight", "2.bias"}));
  for (const Parameter& p : parameters) EXPECT_NE(p.role, Role::output_head) << p.name;
  const std::string table = muon::Plan(parameters, muon::default_rules()).table();
  EXPECT_EQ(table.find("No output head was found"), std::string::npos) << table;
}

TEST(DescribeHead, AFrozenOneIsKnownToARunThatTrainsAdapters) {
  nn::Module model;
  auto adapter = std::make_shared<nn::Module>("Adapter");
  adapter->register_module("lora_A", nn::Linear(64, 8));
  adapter->register_module("lora_B", nn::Linear(8, 64));
  nn::Linear base(64, 64), head(64, 90);
  for (const auto& layer : {base, head})
    for (auto& p : layer->parameters()) p.requires_grad_(false);
  model.register_module("base", base);
  model.register_module("lm_head", head);
  model.register_module("adapter", adapter);
  const std::string table = muon::make_plan(model).table();
  EXPECT_EQ(table.find("No output head was found"), std::string::npos) << table;
}

TEST(DescribeHead, ALaterLinearThanTheNamedHeadIsMarked) {
  EXPECT_TRUE(
      find(with_linears({"fc", "classifier", "auxiliary"}), "auxiliary.weight").low_confidence);
  EXPECT_FALSE(
      find(with_linears({"fc", "auxiliary", "classifier"}), "auxiliary.weight").low_confidence);
}

}  // namespace
