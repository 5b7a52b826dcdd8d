// Published models' names, with their shapes made small, and who gets them; files of each format;
// headers alone.
#include "state/training.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <map>

namespace {

using namespace training;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Sizes = std::vector<std::int64_t>;

struct Expected {
  std::string name;
  Sizes shape;
  std::string algorithm;  // "Muon", "AdamW", "left out"
  std::string view = "";  // under Muon
  bool low_confidence = false;
};

/// As the plan's table calls it.
std::string title_of(muon::Algorithm algorithm) {
  return algorithm == muon::Algorithm::muon ? "Muon" : "AdamW";
}

void expect(const std::string& family, const std::vector<Expected>& tensors) {
  Folder folder;
  std::vector<std::pair<std::string, torch::Tensor>> stored;
  for (const Expected& e : tensors) stored.emplace_back(e.name, torch::zeros(e.shape));
  muon::write_safetensors(folder / "model.safetensors", stored);
  const muon::ModelFile file = muon::describe_file(folder / "model.safetensors");
  std::map<std::string, const muon::Assignment*> found;
  const muon::Plan plan(file.parameters, muon::default_rules());
  for (const muon::Assignment& a : plan.assignments()) found[a.parameter.name] = &a;
  for (const Expected& e : tensors) {
    const auto a = found.find(e.name);
    EXPECT_EQ(a == found.end() ? "left out" : title_of(a->second->algorithm), e.algorithm)
        << family << ": " << e.name;
    if (a == found.end()) continue;
    if (e.algorithm == "Muon") {
      EXPECT_EQ(a->second->parameter.view.to_string(), e.view) << family << ": " << e.name;
    }
    EXPECT_EQ(a->second->parameter.low_confidence, e.low_confidence)
        << family << ": " << e.name << ": " << a->second->parameter.reason;
  }
}

TEST(ModelFile, Gpt2AsHuggingFaceStoresIt) {
  expect("GPT-2", {{"wte.weight", {50, 8}, "AdamW"},
                   {"wpe.weight", {16, 8}, "AdamW"},
                   {"h.0.ln_1.weight", {8}, "AdamW"},
                   {"h.0.attn.bias", {1, 1, 16, 16}, "left out"},
                   {"h.0.attn.c_attn.weight", {8, 24}, "Muon", "matrix.transposed.chunk_rows(3)"},
                   {"h.0.attn.c_attn.bias", {24}, "AdamW"},
                   {"h.0.attn.c_proj.weight", {8, 8}, "Muon", "matrix.transposed"},
                   {"h.0.mlp.c_fc.weight", {8, 32}, "Muon", "matrix.transposed"},
                   {"h.0.mlp.c_proj.weight", {32, 8}, "Muon", "matrix.transposed"},
                   {"ln_f.weight", {8}, "AdamW"}});
}

TEST(ModelFile, Gpt2WithLinears) {
  expect("nanoGPT",
         {{"transformer.wte.weight", {50, 8}, "AdamW"},
          {"transformer.h.0.attn.c_attn.weight", {24, 8}, "Muon", "matrix.chunk_rows(3)"},
          {"transformer.h.0.attn.c_proj.weight", {8, 8}, "Muon", "matrix"},
          {"transformer.h.0.mlp.c_fc.weight", {32, 8}, "Muon", "matrix"},
          {"lm_head.weight", {50, 8}, "AdamW"}});
}

TEST(ModelFile, LlamaAndQwen) {
  expect("Llama", {{"model.embed_tokens.weight", {64, 16}, "AdamW"},
                   {"model.layers.0.self_attn.q_proj.weight", {16, 16}, "Muon", "matrix"},
                   {"model.layers.0.self_attn.k_proj.weight", {4, 16}, "Muon", "matrix"},
                   {"model.layers.0.self_attn.v_proj.weight", {4, 16}, "Muon", "matrix"},
                   {"model.layers.0.self_attn.o_proj.weight", {16, 16}, "Muon", "matrix"},
                   {"model.layers.0.self_attn.rotary_emb.inv_freq", {4}, "left out"},
                   {"model.layers.0.self_attn.q_proj.bias", {16}, "AdamW"},
                   {"model.layers.0.self_attn.q_norm.weight", {4}, "AdamW"},
                   {"model.layers.0.mlp.gate_proj.weight", {40, 16}, "Muon", "matrix"},
                   {"model.layers.0.mlp.up_proj.weight", {40, 16}, "Muon", "matrix"},
                   {"model.layers.0.mlp.down_proj.weight", {16, 40}, "Muon", "matrix"},
                   {"model.layers.0.input_layernorm.weight", {16}, "AdamW"},
                   {"model.norm.weight", {16}, "AdamW"},
                   {"lm_head.weight", {64, 16}, "AdamW"}});
}

TEST(ModelFile, Phi3FusesProjections) {
  expect("Phi-3",
         {{"model.layers.0.self_attn.qkv_proj.weight",
           {24, 16},
           "Muon",
           "matrix.split_rows(16,4,4)",
           true},
          {"model.layers.1.self_attn.qkv_proj.weight", {48, 16}, "Muon", "matrix.chunk_rows(3)"},
          {"model.layers.0.mlp.gate_up_proj.weight", {80, 16}, "Muon", "matrix.chunk_rows(2)"}});
}

TEST(ModelFile, MixtralAndDeepSeekExperts) {
  expect("experts",
         {{"model.layers.0.block_sparse_moe.gate.weight", {8, 16}, "Muon", "matrix", true},
          {"model.layers.0.block_sparse_moe.experts.0.w1.weight", {40, 16}, "Muon", "matrix"},
          {"model.layers.0.block_sparse_moe.experts.0.w2.weight", {16, 40}, "Muon", "matrix"},
          {"model.layers.1.mlp.gate.weight", {8, 16}, "Muon", "matrix", true},
          {"model.layers.1.mlp.gate.e_score_correction_bias", {8}, "left out"},
          {"model.layers.1.mlp.experts.3.down_proj.weight", {16, 40}, "Muon", "matrix"},
          {"model.layers.1.mlp.shared_experts.up_proj.weight", {40, 16}, "Muon", "matrix"},
          {"model.layers.1.self_attn.kv_a_proj_with_mqa.weight", {6, 16}, "Muon", "matrix"},
          {"model.layers.1.self_attn.q_a_layernorm.weight", {6}, "AdamW"},
          {"model.layers.2.mlp.experts.gate_up_proj", {8, 16, 80}, "Muon", "stack", true},
          {"model.layers.2.mlp.experts.down_proj", {8, 40, 16}, "Muon", "stack", true}});
}

TEST(ModelFile, VisionTransformers) {
  expect("ViT",
         {{"cls_token", {1, 1, 16}, "AdamW"},
          {"pos_embed", {1, 10, 16}, "AdamW"},
          {"patch_embed.proj.weight", {16, 3, 4, 4}, "AdamW"},
          {"blocks.0.attn.qkv.weight", {48, 16}, "Muon", "matrix.chunk_rows(3)"},
          {"blocks.0.attn.proj.weight", {16, 16}, "Muon", "matrix"},
          {"blocks.0.mlp.fc1.weight", {64, 16}, "Muon", "matrix"},
          {"head.weight", {10, 16}, "AdamW"},
          {"vit.embeddings.position_embeddings", {1, 10, 16}, "AdamW"},
          {"vit.encoder.layer.0.attention.attention.query.weight", {16, 16}, "Muon", "matrix"},
          {"vit.encoder.layer.0.attention.output.dense.weight", {16, 16}, "Muon", "matrix"},
          {"vit.encoder.layer.0.intermediate.dense.weight", {64, 16}, "Muon", "matrix"},
          {"classifier.weight", {10, 16}, "AdamW"}});
}

TEST(ModelFile, ResNet) {
  expect("ResNet", {{"conv1.weight", {8, 3, 7, 7}, "Muon", "flatten"},
                    {"bn1.weight", {8}, "AdamW"},
                    {"bn1.running_mean", {8}, "left out"},
                    {"layer1.0.conv1.weight", {8, 8, 3, 3}, "Muon", "flatten"},
                    {"layer2.0.downsample.0.weight", {16, 8, 1, 1}, "Muon", "flatten"},
                    {"layer2.0.downsample.1.weight", {16}, "AdamW"},
                    {"fc.weight", {10, 16}, "AdamW", "", true},
                    {"fc.bias", {10}, "AdamW"}});
}

TEST(ModelFile, Whisper) {
  expect("Whisper",
         {{"model.encoder.conv1.weight", {16, 8, 3}, "Muon", "flatten"},
          {"model.encoder.embed_positions.weight", {50, 16}, "AdamW"},
          {"model.decoder.embed_tokens.weight", {90, 16}, "AdamW"},
          {"model.decoder.layers.0.encoder_attn.out_proj.weight", {16, 16}, "Muon", "matrix"},
          {"model.decoder.layers.0.fc1.weight", {64, 16}, "Muon", "matrix"},
          {"proj_out.weight", {90, 16}, "AdamW"}});
}

TEST(ModelFile, QuantizedWeightsScalesAreLeftOut) {
  expect("DeepSeek-V3", {{"model.layers.0.self_attn.q_a_proj.weight", {16, 32}, "Muon", "matrix"},
                         {"model.layers.0.self_attn.q_a_proj.weight_scale_inv", {2, 4}, "left out"},
                         {"model.layers.0.mlp.down_proj.scales", {2, 4}, "left out"}});
}

TEST(ModelFile, SmallNetworksLastNumberedLayerIsAHeadAndMarked) {
  expect("fc1, fc2", {{"conv1.weight", {32, 1, 3, 3}, "AdamW", "", true},
                      {"conv2.weight", {64, 32, 3, 3}, "Muon", "flatten"},
                      {"fc1.weight", {128, 64}, "Muon", "matrix"},
                      {"fc2.weight", {10, 128}, "AdamW", "", true}});
}

TEST(ModelFile, ANetworkInsideAnEmbeddingIsNoTable) {
  expect("vision tower", {{"model.vision_embed_tokens.encoder.layers.0.self_attn.q_proj.weight",
                           {16, 16},
                           "Muon",
                           "matrix",
                           true},
                          {"t_embedder.mlp.0.weight", {16, 8}, "Muon", "matrix", true},
                          {"model.embed_tokens.weight", {64, 16}, "AdamW"},
                          {"shared.weight", {64, 16}, "AdamW"}});
}

TEST(ModelFile, WhatNoNameTellsIsMarked) {
  expect("unknown", {{"blob.weight", {16, 16}, "Muon", "matrix", true},
                     {"transformer.h.0.self_attention.query_key_value.weight",
                      {48, 16},
                      "Muon",
                      "matrix.chunk_rows(3)",
                      true}});
}

TEST(ModelFile, FilesOfPython) {
  const fs::path stored = MUON_PYTHON_FILES;
  EXPECT_EQ(muon::describe_file(stored / "checkpoint.pt").format, "torch.save, key 'model'");
  const auto file = muon::describe_file(stored / "checkpoint.pt", "model");
  std::vector<std::string> names, skipped;
  for (const auto& p : file.parameters) names.push_back(p.name);
  for (const auto& info : file.skipped) skipped.push_back(info.name);
  EXPECT_THAT(names, ElementsAre("fc.weight", "fc.bias", "norm.weight", "norm.bias"));
  EXPECT_THAT(skipped,
              ElementsAre("norm.running_mean", "norm.running_var", "norm.num_batches_tracked"));
  EXPECT_THAT(error_of([&] { (void)muon::describe_file(stored / "problem.pt"); }),
              HasSubstr("several state_dicts; choose one by its key: start, target"));
  EXPECT_EQ(muon::describe_file(stored / "script.pt").format, "TorchScript");
  EXPECT_EQ(muon::describe_file(stored / "script.pt").parameters.front().module_type, "Linear");
  EXPECT_THAT(error_of([&] { (void)muon::describe_file(stored / "evil.pt"); }),
              HasSubstr("system"));
}

TEST(ModelFile, ShardsByTheirIndex) {
  Folder folder;
  muon::write_safetensors(folder / "model-00001-of-00002.safetensors",
                          {{"model.embed_tokens.weight", torch::zeros({8, 4})}});
  muon::write_safetensors(folder / "model-00002-of-00002.safetensors",
                          {{"model.layers.0.mlp.up_proj.weight", torch::zeros({8, 4})}});
  const fs::path index = folder / "model.safetensors.index.json";
  const std::string good =
      R"({"metadata":{},"weight_map":{"model.embed_tokens.weight":"model-00001-of-00002.safetensors",
      "model.layers.0.mlp.up_proj.weight":"model-00002-of-00002.safetensors"}})";
  write(index, good);
  EXPECT_EQ(muon::describe_file(index).format, "safetensors in 2 files");
  EXPECT_EQ(muon::describe_file(folder.path).parameters.size(), 2u);  // the folder has an index
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    write(index, bad);
    return error_of([&] { (void)muon::describe_file(index); });
  };
  EXPECT_THAT(refusal("up_proj", "upper"),
              HasSubstr("'model.layers.0.mlp.upper.weight' should be in model-00002"));
  EXPECT_THAT(refusal("00002-of-00002", "00003-of-00002"),
              HasSubstr("model-00003-of-00002.safetensors is missing"));
  EXPECT_THAT(refusal("model-00002", "../model-00002"), HasSubstr("not a file in its folder"));
  EXPECT_THAT(refusal("weight_map", "weights"), HasSubstr("not the index"));
  EXPECT_THAT(refusal("{", "["), HasSubstr("not the index"));
}

TEST(ModelFile, OwnCheckpointsAreTheirModel) {
  Folder folder;
  Session run(mixed);
  run.train_to(2);
  muon::save_checkpoint(folder / "run/checkpoints", run.parts());
  const auto file = muon::describe_file(folder / "run");
  EXPECT_EQ(file.format, "checkpoint of muon.cpp");
  EXPECT_EQ(file.parameters.size(), run.net->parameters().size());
}

TEST(ModelFile, OtherFiles) {
  Folder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { (void)muon::describe_file(folder / "pipe"); }),
              HasSubstr("pipe cannot be read"));
  write(folder / "a.txt", "hello world, this is text");
  EXPECT_THAT(error_of([&] { (void)muon::describe_file(folder / "a.txt"); }),
              AllOf(StartsWith("[model_file] "), HasSubstr("a.txt"),
                    HasSubstr("not a file of torch.save")));
  EXPECT_THAT(error_of([&] { (void)muon::describe_file(folder.path); }),
              HasSubstr("a folder without"));
  EXPECT_THAT(error_of([&] { (void)muon::describe_file(folder / "none"); }),
              HasSubstr("No such file"));
}

/// 100 GB of which nothing but the header exists on the disk.
TEST(ModelFile, ReadsHeadersAlone) {
  Folder folder;
  const fs::path path = folder / "huge.safetensors";
  std::string header = "{";
  const std::int64_t bytes = std::int64_t{100} << 30, layers = 1000, each = bytes / layers;
  for (std::int64_t i = 0; i < layers; ++i) {
    header += fmt::format(
        R"({}"model.layers.{}.mlp.up_proj.weight":{{"dtype":"BF16","shape":[{},64],"data_offsets":[{},{}]}})",
        i > 0 ? "," : "", i, each / 128, i * (each / 128 * 128), (i + 1) * (each / 128 * 128));
  }
  header += "}";
  std::string start;
  for (int i = 0; i < 8; ++i) start += static_cast<char>(header.size() >> (8 * i) & 0xff);
  write(path, start + header);
  std::error_code error;
  fs::resize_file(path, 8 + header.size() + static_cast<std::uint64_t>(layers * (each / 128 * 128)),
                  error);
  if (error)
    GTEST_SKIP() << "this file system cannot hold a sparse file of 100 GB: " << error.message();
  rusage before{}, after{};
  ::getrusage(RUSAGE_SELF, &before);
  EXPECT_EQ(muon::describe_file(path).parameters.size(), static_cast<std::size_t>(layers));
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 50 * 1024);  // KiB: memory for names, none for data
}

}  // namespace
