// describe_file(): one mapping, ties by name, shapes without values or beyond 64 bits, names that
// are no text.
#include "state/pickling.hpp"
#include "state/training.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/inotify.h>
#include <torch/script.h>
#include <unistd.h>

#include <array>
#include <limits>

namespace {

using namespace training;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Sizes = std::vector<std::int64_t>;

/// How often a file is opened by a call. Equal events that follow each other are reported as one,
/// so opening and closing are both watched: every file that was opened is closed before it is
/// opened again, or is still open at the end.
int opens_of(const fs::path& file, const std::function<void()>& call) {
  const int descriptor = ::inotify_init1(IN_NONBLOCK);
  ::inotify_add_watch(descriptor, file.c_str(), IN_OPEN | IN_CLOSE);
  call();
  int opens = 0;
  alignas(inotify_event) std::array<char, 4096> events{};
  for (ssize_t size = 0; (size = ::read(descriptor, events.data(), events.size())) > 0;) {
    for (std::size_t at = 0; at < static_cast<std::size_t>(size); at += sizeof(inotify_event)) {
      opens +=
          (reinterpret_cast<const inotify_event*>(events.data() + at)->mask & IN_OPEN) != 0 ? 1 : 0;
    }
  }
  ::close(descriptor);
  return opens;
}

torch::jit::Module script_of(const std::vector<std::pair<std::string, torch::Tensor>>& parameters) {
  torch::jit::Module net("__torch__.Net");
  for (const auto& [name, value] : parameters)
    net.register_parameter(name, value, /*is_buffer=*/false);
  net.define("def forward(self, x):\n  return x\n");
  return net;
}

muon::Plan plan_of(const fs::path& file) {
  return {muon::describe_file(file).parameters, muon::default_rules()};
}

// ---- one mapping ----

TEST(FileListing, OpensAFileOnce) {
  Folder folder;
  const std::pair<std::string, torch::Tensor> weight{"layers.0.fc1.weight",
                                                     torch::ones({4, 4}).requires_grad_()};
  muon::write_safetensors(folder / "a.safetensors", {weight});
  write(folder / "a.json", R"({"weight_map":{"layers.0.fc1.weight":"a.safetensors"}})");
  pickling::write_torch_file(
      folder / "dict.pt",
      pickling::document(pickling::dict({{weight.first, pickling::tensor("0", {4, 4}, {4, 1})}})));
  script_of({{"weight", weight.second}}).save((folder / "script.pt").string());
  for (const char* name : {"a.safetensors", "a.json", "dict.pt", "script.pt"}) {
    EXPECT_EQ(opens_of(folder / name,
                       [&] {
                         EXPECT_EQ(muon::describe_file(folder / name).parameters.size(), 1u)
                             << name;
                       }),
              1)
        << name;
  }
  EXPECT_EQ(
      opens_of(folder / "a.safetensors", [&] { (void)muon::describe_file(folder / "a.json"); }), 1);
}

// ---- ties ----

TEST(FileListing, TiedNamesAreOneParameter) {
  Folder folder;
  const std::string table = pickling::tensor("0", {8, 4}, {4, 1}),
                    matrix = pickling::tensor("1", {4, 4}, {4, 1});
  pickling::write_torch_file(
      folder / "a.pt", pickling::document(pickling::dict({{"lm_head.weight", table},
                                                          {"layers.0.fc1.weight", matrix},
                                                          {"layers.0.fc2.weight", matrix},
                                                          {"model.embed_tokens.weight", table}})));
  const auto parameters = muon::describe_file(folder / "a.pt").parameters;
  ASSERT_EQ(parameters.size(), 2u);
  EXPECT_EQ(parameters[0].name, "lm_head.weight");
  EXPECT_THAT(parameters[0].aliases, ElementsAre("model.embed_tokens.weight"));
  EXPECT_EQ(parameters[0].role, muon::Role::embedding);
  EXPECT_EQ(parameters[0].evidence, muon::Evidence::tie);
  EXPECT_FALSE(parameters[0].low_confidence);
  EXPECT_THAT(parameters[1].aliases, ElementsAre("layers.0.fc2.weight"));
  EXPECT_EQ(parameters[1].role, muon::Role::hidden_matrix);
}

/// By its own name a layer below something called an embedding; tied to a head, it is the table
/// after all.
TEST(FileListing, ATieToAHeadOutweighsThePath) {
  Folder folder;
  const std::string shared = pickling::tensor("0", {8, 4}, {4, 1});
  pickling::write_torch_file(folder / "a.pt",
                             pickling::document(pickling::dict(
                                 {{"embedder.0.weight", shared}, {"lm_head.weight", shared}})));
  pickling::write_torch_file(folder / "b.pt",
                             pickling::document(pickling::dict({{"embedder.0.weight", shared}})));
  EXPECT_EQ(muon::describe_file(folder / "a.pt").parameters.front().role, muon::Role::embedding);
  EXPECT_EQ(muon::describe_file(folder / "b.pt").parameters.front().role,
            muon::Role::hidden_matrix);
}

TEST(FileListing, EveryNameOfATiedBufferIsSkipped) {
  Folder folder;
  const std::string mean = pickling::tensor("0", {4}, {1});
  pickling::write_torch_file(
      folder / "a.pt",
      pickling::document(pickling::dict({{"norm.running_mean", mean},
                                         {"other.running_mean", mean},
                                         {"fc.bias", pickling::tensor("1", {4}, {1})}})));
  const auto file = muon::describe_file(folder / "a.pt");
  ASSERT_EQ(file.skipped.size(), 2u);
  EXPECT_EQ(file.skipped[1].name, "other.running_mean");
  EXPECT_EQ(file.parameters.size(), 1u);
}

TEST(FileListing, OfEqualNamesTheLastCounts) {
  Folder folder;
  pickling::write_torch_file(
      folder / "a.pt",
      pickling::document(pickling::dict({{"a.weight", pickling::tensor("0", {8, 4}, {4, 1})},
                                         {"b.weight", pickling::tensor("1", {2, 4}, {4, 1})},
                                         {"a.weight", pickling::tensor("2", {6, 4}, {4, 1})}})));
  const auto assignments = plan_of(folder / "a.pt").assignments();
  ASSERT_EQ(assignments.size(), 2u);
  EXPECT_EQ(assignments[0].parameter.shape, (Sizes{6, 4}));
}

TEST(FileListing, AKeyMayHoldADot) {
  Folder folder;
  const std::string weights = pickling::dict({{"a.weight", pickling::tensor("0", {8, 4}, {4, 1})}});
  pickling::write_torch_file(folder / "a.pt",
                             pickling::document(pickling::dict({{"net.v2", weights}})));
  EXPECT_EQ(muon::describe_file(folder / "a.pt").format, "torch.save, key 'net.v2'");
}

// ---- shapes ----

/// [4, .., 4] of each number of dimensions, with a zero in each place.
std::vector<Sizes> shapes_without_values() {
  std::vector<Sizes> shapes;
  for (std::size_t dims = 1; dims <= 5; ++dims) {
    for (std::size_t zero = 0; zero < dims; ++zero) {
      shapes.emplace_back(dims, 4);
      shapes.back()[zero] = 0;
    }
    shapes.emplace_back(dims, 0);
  }
  return shapes;
}

TEST(FileListing, TensorsWithoutValuesAreAdamWs) {
  Folder folder;
  std::vector<std::pair<std::string, torch::Tensor>> tensors{{"blob", torch::zeros({4, 4})}};
  std::vector<std::pair<std::string, std::string>> pickled{
      {"blob", pickling::tensor("x", {4, 4}, {4, 1})}};
  for (const Sizes& shape : shapes_without_values()) {
    for (const char* local : {"", ".fc1.weight", ".qkv.weight", ".c_attn.weight", ".gate_up_proj",
                              ".conv1.weight", ".experts"}) {
      const std::string name = fmt::format("blob{}{}", tensors.size(), local);
      tensors.emplace_back(name, torch::zeros(shape, torch::requires_grad()));
      pickled.emplace_back(name, pickling::tensor(name, shape, Sizes(shape.size(), 1)));
    }
  }
  muon::write_safetensors(folder / "a.safetensors", tensors);
  pickling::write_torch_file(folder / "a.pt", pickling::document(pickling::dict(pickled)));
  for (const char* file : {"a.safetensors", "a.pt"}) {
    const auto assignments = plan_of(folder / file).assignments();
    ASSERT_EQ(assignments.size(), tensors.size()) << file;
    for (const muon::Assignment& a : assignments) {
      const bool has_values = a.parameter.name == "blob";
      EXPECT_EQ(a.algorithm, has_values ? muon::Algorithm::muon : muon::Algorithm::adamw)
          << file << ": " << a.parameter.name;
      EXPECT_EQ(a.parameter.low_confidence, has_values) << file << ": " << a.parameter.name;
    }
  }
}

TEST(FileListing, TensorsWithoutValuesInTorchScript) {
  Folder folder;
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  for (const Sizes& shape : shapes_without_values()) {
    tensors.emplace_back(fmt::format("blob{}", tensors.size()),
                         torch::zeros(shape, torch::requires_grad()));
  }
  script_of(tensors).save((folder / "a.pt").string());
  const auto assignments = plan_of(folder / "a.pt").assignments();
  EXPECT_EQ(assignments.size(), tensors.size());
  for (const muon::Assignment& a : assignments)
    EXPECT_EQ(a.algorithm, muon::Algorithm::adamw) << a.parameter.name;
}

TEST(FileListing, ShapesBeyondSixtyFourBitsAreRefused) {
  Folder folder;
  const std::int64_t large = std::int64_t{1} << 40;
  for (const Sizes& shape : {Sizes{large, large}, Sizes{0, large, large}, Sizes{large, 0, large},
                             Sizes{1 << 20, large}}) {
    const Sizes strides(shape.size(), 0);
    pickling::write_torch_file(
        folder / "a.pt",
        pickling::document(pickling::dict({{"a", pickling::tensor("0", shape, strides)}})));
    EXPECT_THAT(error_of([&] { (void)muon::describe_file(folder / "a.pt"); }),
                AllOf(HasSubstr("a.pt"), HasSubstr("64 bits")));
  }
}

/// Each shape is possible, all together are more values than 64 bits can count.
TEST(FileListing, TotalsEndAtTheLargestNumber) {
  Folder folder;
  std::vector<std::pair<std::string, std::string>> tensors;
  for (int i = 0; i < 64; ++i) {
    tensors.emplace_back(fmt::format("layers.{}.fc1.weight", i),
                         pickling::tensor(std::to_string(i),
                                          {std::int64_t{1} << 29, std::int64_t{1} << 29}, {0, 0}));
  }
  pickling::write_torch_file(folder / "a.pt", pickling::document(pickling::dict(tensors)));
  const muon::Plan plan = plan_of(folder / "a.pt");
  EXPECT_EQ(nlohmann::json::parse(plan.json()).at("totals").at("muon").at("values"),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_THAT(plan.table(), HasSubstr("9,223,372,036,854,775,807 values"));
}

// ---- names ----

TEST(FileListing, ErrorsHoldNoControlCharacters) {
  Folder folder;
  const std::string bad = "x\x1b[2J\xe2\x80\xae\xc2\x9b\xff";
  const fs::path path = folder / ("f\x1b" + std::string(".pt"));
  const std::string weights = pickling::dict({{"a.weight", pickling::tensor("0", {8, 4}, {4, 1})}});
  const auto error = [&](const std::string& value, const std::string& key = "") {
    pickling::write_torch_file(path, pickling::document(value));
    return error_of([&] { (void)muon::describe_file(path, key); });
  };
  const std::vector<std::string> errors{
      error(pickling::dict({{bad + "1", weights}, {bad + "2", weights}})),
      error(pickling::dict({{bad, weights}}), "none"),
      error("c" + bad + "\n" + bad + "\n"),
      error_of([&] { (void)muon::describe_file(folder / bad); }),
  };
  for (const std::string& text : errors) {
    EXPECT_THAT(text,
                AllOf(HasSubstr("\\u001b"), Not(HasSubstr("\x1b")), Not(HasSubstr("\xc2\x9b")),
                      Not(HasSubstr("\xff")), Not(HasSubstr("\xe2\x80\xae"))));
  }
  const std::string entry = "\"a\\u001b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}";
  const std::string header = "{" + entry + "," + entry + "}";
  write(folder / "a.safetensors", pickling::little_endian(header.size(), 8) + header + "1234");
  EXPECT_THAT(error_of([&] { (void)muon::describe_file(folder / "a.safetensors"); }),
              AllOf(HasSubstr("'a\\u001b' occurs twice"), Not(HasSubstr("\x1b"))));
}

}  // namespace
