// describe(): weights that hold several projections, in a live module and by a file's names.
#include "plan/describing.hpp"

#include "plan/describe_names.hpp"

#include <nlohmann/json.hpp>

namespace {

namespace nn = torch::nn;
using muon::describe;
using muon::MatrixView;
using Sizes = std::vector<std::int64_t>;

const MatrixView thirds = MatrixView::matrix().chunk_rows(3);

/// `layer` in an attention of a user's own, below a hidden layer and a head.
Parameter in_attention(const std::string& name, std::int64_t inputs, std::int64_t outputs) {
  auto attention = std::make_shared<nn::Module>("Attention");
  attention->register_module(name, nn::Linear(inputs, outputs));
  attention->register_module("proj", nn::Linear(inputs, inputs));
  nn::Module model;
  model.register_module("attn", attention);
  model.register_module("head", nn::Linear(inputs, 5));
  return find(describe(model), "attn." + name + ".weight");
}

/// The same weight as a file knows it.
Parameter in_file(const std::string& name, const Sizes& shape) {
  return muon::describe_names({{name, "F32", shape, {}}}).parameters.front();
}

void expect_mention(const Parameter& p, const std::string& words) {
  EXPECT_NE(p.reason.find(words), std::string::npos) << p.name << ": " << p.reason;
}

TEST(Fused, QueryKeyValueOfALinearIsThreeMatrices) {
  for (const std::string name : {"qkv", "c_attn", "Wqkv", "wqkv", "to_qkv", "in_proj", "qkv_proj",
                                 "query_key_value", "linear_qkv", "qkv_linear", "W_pack"}) {
    const Parameter p = in_attention(name, 8, 24);
    expect_role(p, Role::hidden_matrix, Evidence::module_type);
    EXPECT_EQ(p.view, thirds) << name;
    expect_mention(p, "fused query, key and value: three row blocks");
    EXPECT_EQ(p.low_confidence, name == "query_key_value") << p.reason;
  }
}

TEST(Fused, LiveModulesAndFilesAgree) {
  for (const std::string name : {"qkv", "c_attn", "in_proj", "kv", "query_key_value", "proj"}) {
    for (const std::int64_t rows : {4, 8, 11, 12, 16, 24, 32}) {
      const Parameter live = in_attention(name == "proj" ? "gate_up_proj" : name, 8, rows);
      const Parameter file = in_file("blocks.0." + live.name, {rows, 8});
      EXPECT_EQ(live.view, file.view) << live.name << " " << rows;
      EXPECT_EQ(live.low_confidence, file.low_confidence) << live.name << " " << rows;
    }
  }
}

TEST(Fused, GroupedHeadsAreMarked) {
  const Parameter p = in_attention("qkv", 8, 16);
  EXPECT_EQ(p.view, MatrixView::matrix().split_rows({8, 4, 4}));
  EXPECT_TRUE(p.low_confidence);
  expect_mention(p, "split by the width of the output projection");
  expect_mention(in_file("blocks.0.attn.qkv.weight", {16, 8}),
                 "split as if queries were as wide as the model");
  for (const std::int64_t rows : {8, 11, 32}) {  // none, or no way to cut them
    EXPECT_EQ(in_attention("qkv", 8, rows).view, MatrixView::matrix());
    EXPECT_TRUE(in_attention("qkv", 8, rows).low_confidence) << rows;
  }
}

TEST(Fused, TheOutputProjectionTellsTheWidthOfTheQueries) {
  const auto view = [](std::int64_t rows, std::int64_t queries) {
    const auto found = muon::describe_names(
        {{"attn.qkv.weight", "F32", {rows, 8}, {}}, {"attn.out.weight", "F32", {8, queries}, {}}});
    return found.parameters.front().view;
  };
  EXPECT_EQ(view(48, 16), thirds);  // heads that are together wider than the model
  EXPECT_EQ(view(12, 4), thirds);
  EXPECT_EQ(view(24, 16), MatrixView::matrix().split_rows({16, 4, 4}));
}

TEST(Fused, OtherLayersOfTheSameNamesStayWhole) {
  EXPECT_EQ(in_attention("in_proj", 8, 32).view, MatrixView::matrix());  // a state-space model's
  EXPECT_FALSE(in_attention("in_proj", 8, 32).low_confidence);
  EXPECT_EQ(in_file("layers.0.mlp.in_proj.weight", {24, 8}).view, MatrixView::matrix());
  EXPECT_EQ(in_file("layers.0.attn.proj.weight", {8, 8}).view, MatrixView::matrix());
}

TEST(Fused, KeyAndValueOrGateAndUpAreTwoMatrices) {
  for (const std::string name : {"kv", "to_kv", "kv_proj", "gate_up_proj", "w12"}) {
    const Parameter p = in_attention(name, 8, 12);
    EXPECT_EQ(p.view, MatrixView::matrix().chunk_rows(2)) << name;
    EXPECT_FALSE(p.low_confidence) << p.reason;
  }
  expect_mention(in_attention("to_kv", 8, 16), "fused key and value: two row blocks");
  expect_mention(in_attention("gate_up_proj", 8, 16), "fused gate and up: two row blocks");
}

/// As GPT-2 stores it: a class of the user's whose weight is [inputs, outputs].
struct Conv1DImpl : nn::Module {
  Conv1DImpl(std::int64_t inputs, std::int64_t outputs) {
    register_parameter("weight", torch::ones({inputs, outputs}));
  }
};

TEST(Fused, AWeightThatIsStoredInputsFirstIsReadTransposed) {
  const MatrixView view = MatrixView::matrix().transposed().chunk_rows(3);
  nn::Module model;
  model.register_module("c_attn", std::make_shared<Conv1DImpl>(8, 24));
  model.register_module("head", nn::Linear(8, 5));
  const Parameter live = find(describe(model), "c_attn.weight");
  EXPECT_EQ(live.view, view);
  EXPECT_FALSE(live.low_confidence) << live.reason;
  expect_mention(live, "stored [inputs, outputs]");
  EXPECT_EQ(in_file("h.0.attn.c_attn.weight", {8, 24}).view, view);
  EXPECT_TRUE(in_attention("c_attn", 24, 8).low_confidence);  // a Linear's rows are its outputs
}

TEST(Fused, IsNotTakenForTheHead) {
  nn::Module model;
  model.register_module("fc", nn::Linear(8, 8));
  model.register_module("qkv", nn::Linear(8, 24));
  EXPECT_EQ(find(describe(model), "qkv.weight").role, Role::hidden_matrix);
}

TEST(Fused, ThePlanShowsThePartsAndARuleKeepsThemTogether) {
  auto attention = std::make_shared<nn::Module>("Attention");
  attention->register_module("qkv", nn::Linear(nn::LinearOptions(8, 24).bias(false)));
  nn::Module model;
  model.register_module("attn", attention);
  model.register_module("head", nn::Linear(8, 5));
  const std::string table = muon::make_plan(model).table();
  EXPECT_NE(table.find("3 of 8x8"), std::string::npos) << table;
  EXPECT_NE(table.find("fused query, key and value: three row blocks"), std::string::npos) << table;

  const auto rules = muon::with_default_rules(
      {muon::by_name("*.qkv.weight").view(MatrixView::matrix()).use(muon::default_muon())});
  const muon::Plan whole = muon::make_plan(model, rules);
  EXPECT_EQ(whole.assignments().front().parameter.view, MatrixView::matrix());
  EXPECT_NE(whole.table().find("1 of 24x8"), std::string::npos) << whole.table();
}

}  // namespace
