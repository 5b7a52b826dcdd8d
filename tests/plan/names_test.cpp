// describe_names() and the built-in rules: who gets a parameter of which name and shape alone is
// known. A kind of name each, with members that no rule is written for.
#include "plan/describing.hpp"

#include "plan/describe_names.hpp"

#include <map>

namespace {

struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  Names aliases = {};
};

/// The plan of a file that holds these.
std::map<std::string, muon::Assignment> planned(const std::vector<Tensor>& tensors) {
  std::vector<muon::NamedTensor> stored;
  for (const Tensor& t : tensors) stored.push_back({t.name, "F32", t.shape, t.aliases});
  const muon::Plan plan(muon::describe_names(stored).parameters, muon::default_rules());
  std::map<std::string, muon::Assignment> rows;
  for (const muon::Assignment& a : plan.assignments()) rows.emplace(a.parameter.name, a);
  return rows;
}

enum class Who { muon, muon_marked, adamw, left_out };

Who who_gets(const std::map<std::string, muon::Assignment>& rows, const std::string& name) {
  const auto found = rows.find(name);
  if (found == rows.end()) return Who::left_out;
  if (found->second.algorithm == muon::Algorithm::adamw) return Who::adamw;
  return found->second.parameter.low_confidence ? Who::muon_marked : Who::muon;
}

std::string why(const std::map<std::string, muon::Assignment>& rows, const std::string& name) {
  const auto found = rows.find(name);
  return found == rows.end()
             ? "left out"
             : found->second.parameter.reason + "; rule '" + found->second.rule + "'";
}

struct Row {
  Tensor tensor;
  Who expected;
};

void expect_rows(const std::vector<Row>& table) {
  std::vector<Tensor> tensors;
  for (const Row& row : table) tensors.push_back(row.tensor);
  const auto rows = planned(tensors);
  for (const Row& row : table) {
    EXPECT_EQ(who_gets(rows, row.tensor.name), row.expected)
        << row.tensor.name << ": " << why(rows, row.tensor.name);
  }
}

const Row hidden_layers[] = {{{"blocks.0.up.weight", {256, 64}}, Who::muon},
                             {{"blocks.0.down.weight", {64, 256}}, Who::muon}};

/// `rows` beside the layers of a block, which give the model its width of 64.
void expect_beside_block(std::vector<Row> rows) {
  rows.insert(rows.end(), std::begin(hidden_layers), std::end(hidden_layers));
  rows.push_back({{"blocks.0.norm.weight", {64}}, Who::adamw});
  expect_rows(rows);
}

TEST(NamesWrappers, SayNothing) {
  for (const std::string wrapper :
       {"", "module.", "_orig_mod.", "net.", "model.", "_orig_mod.module.", "model.net.",
        "_fsdp_wrapped_module.", "base_model.model."}) {
    expect_rows({{{wrapper + "fc1.weight", {128, 784}}, Who::muon},
                 {{wrapper + "fc2.weight", {64, 128}}, Who::muon},
                 {{wrapper + "fc3.weight", {10, 64}}, Who::adamw}});
    expect_beside_block({{{wrapper + "classifier.weight", {10, 64}}, Who::adamw}});
  }
  expect_beside_block({{{"lm_head.modules_to_save.default.weight", {900, 64}}, Who::adamw},
                       {{"lm_head.original_module.weight", {900, 64}}, Who::adamw},
                       {{"blocks.1.up.base_layer.weight", {256, 64}}, Who::muon}});
}

TEST(NamesTables, AreInListsAndHaveManyNames) {
  expect_beside_block({{{"value_embeds.1.weight", {500, 64}}, Who::adamw},
                       {{"category_embeddings.3.weight", {7, 64}}, Who::adamw},
                       {{"bond_embedding_list.0.weight", {5, 64}}, Who::adamw},
                       {{"tgt_embed.0.lut.weight", {90, 64}}, Who::adamw},
                       {{"emb_l.2.weight", {900, 64}}, Who::adamw},
                       {{"class_emb.weight", {100, 64}}, Who::adamw},
                       {{"tables.embedding_bags.user_id.weight", {50, 64}}, Who::adamw},
                       {{"object_queries.weight", {30, 64}}, Who::adamw},
                       {{"shared.weight", {900, 64}}, Who::adamw}});
}

TEST(NamesTables, ALayerOfAnEmbeddingNetworkIsNone) {
  expect_beside_block({{{"time_embedding.linear_1.weight", {64, 32}}, Who::muon_marked},
                       {{"step_embed.0.weight", {64, 32}}, Who::muon_marked},
                       {{"step_embed.2.weight", {64, 64}}, Who::muon_marked},
                       {{"blocks.0.time_emb_proj.weight", {256, 64}}, Who::muon},
                       {{"embeddings_project.weight", {64, 32}}, Who::muon}});
}

TEST(NamesTables, ATwinOfTheHeadIsOne) {
  expect_beside_block(
      {{{"encoder.weight", {900, 64}}, Who::adamw}, {{"decoder.weight", {900, 64}}, Who::adamw}});
}

TEST(NamesVectors, OfTwoDimensionsAreAdamWs) {
  expect_beside_block({{{"blocks.0.experts.up_bias", {8, 256}}, Who::adamw},
                       {{"blocks.0.attn.pos_bias_u", {4, 16}}, Who::adamw},
                       {{"blocks.0.attn.k_norm.weight", {4, 16}}, Who::adamw},
                       {{"blocks.0.attn.bonus", {4, 16}}, Who::adamw},  // 64 values, by heads
                       {{"blocks.0.attn.relative_position_bias.weight", {32, 4}}, Who::adamw},
                       {{"blocks.0.attn.rel_pos_w", {27, 16}}, Who::adamw},
                       {{"blocks.0.ssm.A_log", {128, 16}}, Who::adamw},
                       {{"blocks.0.ssm.log_dt", {128, 16}}, Who::adamw},
                       {{"blocks.0.time_mix_r", {8, 16}}, Who::adamw},
                       {{"blocks.0.scale_shift_table", {6, 64}}, Who::adamw}});
}

TEST(NamesVectors, LearnedTokensAreAdamWs) {
  expect_beside_block({{{"reg_token", {1, 4, 64}}, Who::adamw},
                       {{"memory_tokens", {16, 64}}, Who::adamw},
                       {{"resampler.latents", {32, 64}}, Who::adamw},
                       {{"pool.query", {8, 64}}, Who::adamw},
                       {{"positional_encoding.pos", {77, 64}}, Who::adamw},
                       {{"prompts", {10, 64}}, Who::adamw}});
}

TEST(NamesHeads, AreTheLastLayersOfWhatIsCalledOne) {
  expect_rows({{{"classifier.0.weight", {512, 64}}, Who::muon},
               {{"classifier.3.weight", {512, 512}}, Who::muon},
               {{"classifier.6.weight", {10, 512}}, Who::adamw},
               {{"blocks.0.up.weight", {256, 64}}, Who::muon},
               {{"blocks.0.down.weight", {64, 256}}, Who::muon}});
  expect_beside_block({{{"regression_head.dense.weight", {64, 64}}, Who::muon},
                       {{"regression_head.out_proj.weight", {7, 64}}, Who::adamw},
                       {{"policy_head.fc.weight", {90, 64}}, Who::adamw},
                       {{"value_head.fc1.weight", {32, 64}}, Who::muon},
                       {{"value_head.fc2.weight", {5, 32}}, Who::adamw},
                       {{"generator.proj.weight", {900, 64}}, Who::adamw}});
  // the head of a box detector takes in what the layers below "box_head" put out
  expect_rows({{{"roi_heads.box_head.fc1.weight", {128, 512}}, Who::muon},
               {{"roi_heads.box_head.fc2.weight", {128, 128}}, Who::muon},
               {{"roi_heads.box_predictor.cls_score.weight", {9, 128}}, Who::adamw},
               {{"roi_heads.box_predictor.bbox_pred.weight", {36, 128}}, Who::adamw}});
}

TEST(NamesHeads, HaveOtherNamesAndComeInSeveral) {
  expect_beside_block({{{"qa_outputs.weight", {6, 64}}, Who::adamw},
                       {{"cls.order_relationship.weight", {6, 64}}, Who::adamw},
                       {{"output_projection.weight", {900, 64}}, Who::adamw},
                       {{"final_layer.linear.weight", {12, 64}}, Who::adamw},
                       {{"blocks.1.shared_head.head.weight", {900, 64}}, Who::adamw},
                       {{"lm_heads.0.weight", {500, 64}}, Who::adamw},
                       {{"lm_heads.1.weight", {500, 64}}, Who::adamw}});
  expect_rows({{{"actor_mean.0.weight", {64, 24}}, Who::muon},
               {{"actor_mean.2.weight", {64, 64}}, Who::muon},
               {{"actor_mean.4.weight", {24, 64}}, Who::adamw},  // as many actions as inputs
               {{"critic.l1.weight", {64, 24}}, Who::muon},
               {{"critic.l2.weight", {64, 64}}, Who::muon},
               {{"critic.l3.weight", {5, 64}}, Who::adamw}});
  expect_rows({{{"l1.weight", {64, 24}}, Who::muon},
               {{"l2.weight", {64, 64}}, Who::muon},
               {{"mu.weight", {6, 64}}, Who::adamw},
               {{"log_sigma.weight", {6, 64}}, Who::adamw}});
}

TEST(NamesHeads, CountOnlyInTheirPlace) {
  expect_beside_block({{{"blocks.0.attn.out.weight", {64, 64}}, Who::muon},
                       {{"blocks.0.ffn.value.weight", {64, 256}}, Who::muon},
                       {{"blocks.0.output.weight", {64, 64}}, Who::muon},
                       {{"mixer.ffn.out.weight", {64, 256}}, Who::muon},
                       {{"mixer.mlp.fc_out.weight", {64, 256}}, Who::muon},
                       {{"head.weight", {10, 64}}, Who::adamw}});
}

TEST(NamesHeads, AreFoundByWhereOutputsGo) {
  // a second head beside the one that is named
  expect_beside_block({{{"head.weight", {10, 64}}, Who::adamw},
                       {{"l3.weight", {6, 64}}, Who::adamw},
                       {{"to_memory.weight", {48, 64}}, Who::muon_marked}});
  // the last block of a graph network
  expect_rows(
      {{{"conv1.lin.weight", {16, 100}}, Who::muon}, {{"conv2.lin.weight", {7, 16}}, Who::adamw}});
  // a forecast of as many values as enter
  expect_rows({{{"value_conv.weight", {64, 7, 3}}, Who::muon},
               {{"layers.0.attn.q.weight", {64, 64}}, Who::muon},
               {{"projection.weight", {7, 64}}, Who::adamw}});
}

TEST(NamesTies, FurtherNamesCountForTheRole) {
  for (const auto& [first, other] :
       {std::pair("tok.weight", "head.weight"), std::pair("head.weight", "tok.weight")}) {
    const auto rows =
        planned({{first, {900, 64}, {other}}, {"l1.weight", {128, 64}}, {"l2.weight", {64, 128}}});
    EXPECT_EQ(who_gets(rows, first), Who::adamw) << why(rows, first);
    EXPECT_EQ(rows.at(first).parameter.evidence, Evidence::tie);
    EXPECT_EQ(who_gets(rows, "l2.weight"), Who::muon) << why(rows, "l2.weight");
  }
}

TEST(NamesBuffers, ThatAreStoredAsFloatsAreLeftOut) {
  expect_beside_block({{{"blocks.0.attn.tril", {32, 32}}, Who::left_out},
                       {{"pos_encoder.pe", {1, 500, 64}}, Who::left_out},
                       {{"blocks.0.attn.causal_mask", {32, 32}}, Who::left_out},
                       {{"noisy.weight_epsilon", {64, 64}}, Who::left_out},
                       {{"memory_queue", {64, 512}}, Who::left_out},
                       {{"mask_token", {1, 1, 64}}, Who::adamw}});
}

TEST(NamesStacks, OfGraphNetworksAreMarked) {
  const auto rows = planned({{"conv1.weight", {90, 16, 16}}, {"stem.conv.weight", {32, 16, 3}}});
  EXPECT_EQ(who_gets(rows, "conv1.weight"), Who::muon_marked);
  EXPECT_EQ(rows.at("conv1.weight").parameter.view, muon::MatrixView::stack());
  EXPECT_EQ(rows.at("stem.conv.weight").parameter.view, muon::MatrixView::flatten());
}

TEST(NamesRecurrent, GatesAreMatricesOfTheirOwn) {
  const auto rows = planned({{"core.weight_ih_l0", {80, 12}},
                             {"core.weight_hh_l0", {80, 20}},
                             {"gru.weight_ih_l0", {60, 12}}});
  EXPECT_EQ(rows.at("core.weight_ih_l0").parameter.view, muon::MatrixView::matrix().chunk_rows(4));
  EXPECT_EQ(rows.at("core.weight_hh_l0").parameter.view, muon::MatrixView::matrix().chunk_rows(4));
  EXPECT_EQ(rows.at("gru.weight_ih_l0").parameter.view, muon::MatrixView::matrix().chunk_rows(3));
}

TEST(NamesBounds, AreSaidInTheReason) {
  const auto rows = planned({{"points", {4000, 3}},
                             {"xyzw", {4000, 5}},
                             {"slots", {1, 32, 64}},
                             {"blocks.0.up.weight", {640, 5}}});
  for (const auto& [name, rule] : {std::pair("points", "matrix with a side below 4"),
                                   std::pair("xyzw", "aspect ratio above 128"),
                                   std::pair("slots", "leading dimension of 1")}) {
    // "points" are coordinates by name already
    if (std::string(name) != "points") {
      EXPECT_EQ(rows.at(name).rule, rule);
    }
    EXPECT_EQ(who_gets(rows, name), Who::adamw) << why(rows, name);
  }
  EXPECT_EQ(who_gets(rows, "blocks.0.up.weight"), Who::muon);  // exactly 128 times as high as wide
}

TEST(NamesEvidence, IsSaidInPlainWords) {
  const auto rows = planned({{"tok_embed.weight", {900, 64}},
                             {"blocks.0.experts.up_bias", {8, 256}},
                             {"blocks.0.attn.rel_pos_h", {27, 16}},
                             {"words.weight", {900, 64}},
                             {"l3.weight", {6, 64}},
                             {"classifier.2.weight", {10, 64}}});
  const auto expect_reason = [&](const char* name, const char* words) {
    EXPECT_NE(why(rows, name).find(words), std::string::npos) << why(rows, name);
  };
  expect_reason("tok_embed.weight", "name: 'tok_embed'");
  expect_reason("blocks.0.experts.up_bias", "name: 'up_bias', 8 vectors of 256");
  expect_reason("blocks.0.attn.rel_pos_h", "a table of relative positions");
  expect_reason("words.weight", "as many outputs as 'tok_embed.weight' has rows");
  expect_reason("l3.weight", "its 6 outputs enter no other layer");
  expect_reason("classifier.2.weight", "the last layer of 'classifier'");
}

}  // namespace
