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
  expect_role(left, Role::hidden_matrix, Evidence::module_type);
  EXPECT_TRUE(left.low_confidence);
  EXPECT_NE(left.reason.find("it ends 'left'"), std::string::npos) << left.reason;
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
  expect_role(find(attention, "to_vocab.weight"), Role::output_head, Evidence::position);
}

TEST(DescribeHead, BlocksNumberedWithoutADotAreBlocks) {
  nn::Module model;
  for (int i = 0; i < 3; ++i) {
    model.register_module("block" + std::to_string(i),
                          nn::Sequential({{"in", nn::Linear(4, 8)}, {"out", nn::Linear(8, 4)}}));
  }
  for (const Parameter& p : describe(model)) EXPECT_NE(p.role, Role::output_head) << p.name;
  model.register_module("to_classes", nn::Linear(4, 2));
  expect_role(find(describe(model), "to_classes.weight"), Role::output_head, Evidence::position);
}

TEST(DescribeHead, TwoTiedEmbeddingsAreNotAHead) {
  nn::Embedding shared(10, 4);
  nn::Module model;
  model.register_module("source", shared);
  model.register_module("target", shared);
  model.register_module("generator", nn::Linear(4, 10));
  const auto parameters = describe(model);
  expect_role(find(parameters, "source.weight"), Role::embedding, Evidence::tie);
  expect_role(find(parameters, "generator.weight"), Role::output_head, Evidence::position);
}

TEST(DescribeHead, ALaterLinearThanTheNamedHeadIsMarked) {
  EXPECT_TRUE(
      find(with_linears({"fc", "classifier", "auxiliary"}), "auxiliary.weight").low_confidence);
  EXPECT_FALSE(
      find(with_linears({"fc", "auxiliary", "classifier"}), "auxiliary.weight").low_confidence);
}

}  // namespace
