// Plan: rules, the built-in ones, errors, groups, table and JSON.
#include <muon/muon.hpp>

#include "support/errors.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace nn = torch::nn;
using muon::Algorithm;
using muon::Assignment;
using muon::by_dim;
using muon::by_module;
using muon::by_name;
using muon::by_role;
using muon::make_plan;
using muon::MatrixView;
using muon::MuonOptions;
using muon::otherwise;
using muon::Parameter;
using muon::Plan;
using muon::Role;
using muon::Rule;
using torch::optim::AdamWOptions;
using Names = std::vector<std::string>;

const MuonOptions to_muon(0.02);
const AdamWOptions to_adamw(3e-4);

/// embed.weight, blocks.{0,1}.{qkv,fc}.{weight,bias}, norm.{weight,bias}, lm_head.{weight,bias}
struct Net : nn::Module {
  Net() {
    register_module("embed", nn::Embedding(10, 4));
    nn::ModuleList blocks;
    for (int i = 0; i < 2; ++i)
      blocks->push_back(nn::Sequential({{"qkv", nn::Linear(4, 12)}, {"fc", nn::Linear(12, 4)}}));
    register_module("blocks", blocks);
    register_module("norm", nn::LayerNorm(nn::LayerNormOptions({4})));
    register_module("lm_head", nn::Linear(4, 10));
  }
};

const Assignment& find(const Plan& plan, const std::string& name) {
  const auto& all = plan.assignments();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Assignment& a) { return a.parameter.name == name; });
  if (found == all.end()) throw std::runtime_error("not in the plan: " + name);
  return *found;
}

Names under(const Plan& plan, Algorithm algorithm) {
  Names result;
  for (const Assignment& a : plan.assignments()) {
    if (a.algorithm == algorithm) result.push_back(a.parameter.name);
  }
  return result;
}

Names muons(const std::vector<Rule>& rules) {
  return under(make_plan(Net(), rules), Algorithm::muon);
}

void expect_error(std::vector<Parameter> parameters, const std::vector<Rule>& rules,
                  const Names& words) {
  const std::string text =
      message_of<std::invalid_argument>([&] { const Plan plan(std::move(parameters), rules); });
  expect_mentions(text, words);
  EXPECT_EQ(text.rfind("[Plan] ", 0), 0u) << text;
}

void expect_error(const std::vector<Rule>& rules, const Names& words) {
  expect_error(muon::describe(Net()), rules, words);
}

Parameter made_by_hand(const std::string& name, const std::vector<std::int64_t>& shape) {
  Parameter p;
  p.name = name;
  p.shape = shape;
  return p;
}

// ---- rules ----

TEST(PlanRules, MatchNamesByGlob) {
  EXPECT_EQ(muons({by_name("*.fc.weight").use(to_muon), otherwise().use(to_adamw)}),
            (Names{"blocks.0.fc.weight", "blocks.1.fc.weight"}));
  EXPECT_EQ(muons({by_name("blocks.?.qkv.w*t").use(to_muon), otherwise().use(to_adamw)}),
            (Names{"blocks.0.qkv.weight", "blocks.1.qkv.weight"}));
  EXPECT_EQ(muons({by_name("embed.weight").use(to_muon), otherwise().use(to_adamw)}),
            Names{"embed.weight"});
}

TEST(PlanRules, AreValues) {
  const Rule bare = by_name("*");
  const Rule& used = bare.use(to_adamw);  // a temporary, kept alive by the reference
  const Rule missing = by_name("none").use(to_adamw), allowed = missing.optional();
  expect_error({bare}, {"neither use() nor freeze()"});
  expect_error({missing, used}, {"rule 1", "matches no parameter"});
  EXPECT_EQ(under(make_plan(Net(), {allowed, used}), Algorithm::adamw).size(), 13u);
  EXPECT_EQ(under(make_plan(Net(), {used.freeze()}), Algorithm::frozen).size(), 13u);
  EXPECT_EQ(under(make_plan(Net(), {used}), Algorithm::adamw).size(), 13u);
  const Rule qkv = by_name("*qkv.weight").use(to_muon), whole = qkv.view(MatrixView::matrix());
  EXPECT_EQ(find(make_plan(Net(), {qkv, used}), "blocks.0.qkv.weight").parameter.view,
            MatrixView::matrix().chunk_rows(3));
  EXPECT_EQ(find(make_plan(Net(), {whole, used}), "blocks.0.qkv.weight").parameter.view,
            MatrixView::matrix());
}

TEST(PlanRules, AChainOnATemporaryCopiesNoPredicate) {
  struct Counting {
    int* copies;
    explicit Counting(int* count) : copies(count) {}
    Counting(const Counting& other) : copies(other.copies) { ++*copies; }
    Counting(Counting&& other) noexcept : copies(other.copies) {}
    bool operator()(const Parameter&) const { return true; }
  };
  int copies = 0;
  Rule rule = muon::where("all", Counting(&copies));
  const int before = copies;
  rule = std::move(rule).use(to_muon).view(MatrixView::flatten()).optional().freeze().use(to_adamw);
  EXPECT_EQ(copies, before);
  (void)rule.freeze();
  EXPECT_EQ(copies, before + 1);
}

TEST(PlanRules, AGlobMatchesTheWholeName) {
  for (const std::string glob :
       {"embed", "mbed.weight", "embed.weight?", "embed?weight.", "", "EMBED.weight"}) {
    expect_error({by_name(glob).use(to_adamw), otherwise().use(to_adamw)},
                 {"rule 1", "name", glob, "matches no parameter"});
  }
  const Plan plan = make_plan(Net(), {by_name("**").use(to_adamw)});
  EXPECT_EQ(under(plan, Algorithm::adamw).size(), 13u);
}

TEST(PlanRules, MatchModuleRoleDimensionAndCondition) {
  const auto rest = otherwise().use(to_adamw);
  const Names matrices{"blocks.0.qkv.weight", "blocks.0.fc.weight", "blocks.1.qkv.weight",
                       "blocks.1.fc.weight"};
  EXPECT_EQ(muons({by_module("Embedding").use(to_muon), rest}), Names{"embed.weight"});
  EXPECT_EQ(muons({by_role(Role::hidden_matrix).use(to_muon), rest}), matrices);
  EXPECT_EQ(muons({by_dim(2).use(to_muon), rest}).size(), 6u);
  EXPECT_EQ(muons({by_dim(0, 1).use(to_adamw), otherwise().use(to_muon)}).size(), 6u);
  const auto is_tall = [](const Parameter& p) {
    return p.shape == std::vector<std::int64_t>{12, 4};
  };
  EXPECT_EQ(muons({muon::where("tall", is_tall).use(to_muon), rest}),
            (Names{"blocks.0.qkv.weight", "blocks.1.qkv.weight"}));
}

TEST(PlanRules, AGlobMatchesAnyNameOfATiedParameter) {
  nn::Linear shared(nn::LinearOptions(4, 4).bias(false));
  nn::Module model;
  model.register_module("first", shared);
  model.register_module("second", shared);
  EXPECT_EQ(under(make_plan(model, {by_name("second.*").use(to_muon)}), Algorithm::muon),
            Names{"first.weight"});
}

TEST(PlanRules, TheFirstMatchWins) {
  const Plan plan = make_plan(
      Net(), {by_name("blocks.0.*weight").use(MuonOptions(0.5)),
              by_name("blocks.*.weight").use(MuonOptions(0.1)), otherwise().use(to_adamw)});
  EXPECT_EQ(find(plan, "blocks.0.fc.weight").options->get_lr(), 0.5);
  EXPECT_EQ(find(plan, "blocks.1.fc.weight").options->get_lr(), 0.1);
  expect_mentions(find(plan, "blocks.0.fc.weight").rule, {"name", "blocks.0.*weight"});
  EXPECT_EQ(find(plan, "norm.weight").rule, "otherwise");
}

TEST(PlanRules, FreezeKeepsAParameterInThePlanAndOutOfTheGroups) {
  const Plan plan = make_plan(Net(), {by_module("Embedding").freeze(), otherwise().use(to_adamw)});
  EXPECT_EQ(under(plan, Algorithm::frozen), Names{"embed.weight"});
  EXPECT_EQ(find(plan, "embed.weight").options, nullptr);
  EXPECT_EQ(plan.assignments().size(), 13u);
  std::size_t optimized = 0;
  for (const auto& group : plan.param_groups()) optimized += group.params.size();
  EXPECT_EQ(optimized, 12u);
  EXPECT_TRUE(plan.param_groups(Algorithm::frozen).empty());
}

TEST(PlanRules, ViewReplacesTheOneThatWasFound) {
  const auto heads = MatrixView::matrix().chunk_rows(6);
  const Plan plan = make_plan(
      Net(), {by_name("*qkv.weight").view(heads).use(to_muon), otherwise().use(to_adamw)});
  EXPECT_EQ(find(plan, "blocks.0.qkv.weight").parameter.view, heads);
}

TEST(PlanRules, AnOptionalRuleMayMatchNothing) {
  EXPECT_NO_THROW((void)make_plan(
      Net(), {by_name("nothing").optional().use(to_adamw), otherwise().use(to_adamw)}));
}

TEST(PlanRules, FirstTakesOneParameterOnly) {
  EXPECT_EQ(muons({by_dim(2).first().use(to_adamw), by_name("blocks.*").first().use(to_adamw),
                   by_name("blocks.1.*.weight").use(to_muon), otherwise().use(to_adamw)}),
            (Names{"blocks.1.qkv.weight", "blocks.1.fc.weight"}));
  const Plan plan =
      make_plan(Net(), {by_name("blocks.*").first().use(to_muon), otherwise().use(to_adamw)});
  EXPECT_EQ(under(plan, Algorithm::muon), (Names{"blocks.0.qkv.weight"}));
}

TEST(PlanRules, DefaultsComeAfterOnesOwn) {
  std::vector<Rule> rules{by_name("blocks.0.fc.weight").use(to_adamw)};
  for (const Rule& rule : muon::default_rules()) rules.push_back(rule);
  EXPECT_EQ(muons(rules),
            (Names{"blocks.0.qkv.weight", "blocks.1.qkv.weight", "blocks.1.fc.weight"}));
}

// ---- the built-in rules ----

TEST(DefaultRules, GiveHiddenMatricesToMuonAndTheRestToAdamW) {
  const Plan plan = make_plan(Net());
  EXPECT_EQ(under(plan, Algorithm::muon), (Names{"blocks.0.qkv.weight", "blocks.0.fc.weight",
                                                 "blocks.1.qkv.weight", "blocks.1.fc.weight"}));
  EXPECT_EQ(under(plan, Algorithm::adamw).size(), 9u);
}

TEST(DefaultRules, HaveTheDefaultOptions) {
  const Plan plan = make_plan(Net());
  EXPECT_EQ(static_cast<const MuonOptions&>(*find(plan, "blocks.0.fc.weight").options),
            muon::default_muon());
  EXPECT_EQ(static_cast<const AdamWOptions&>(*find(plan, "norm.weight").options),
            muon::default_adamw());
}

TEST(DefaultRules, KeepDegenerateShapesFromMuon) {
  nn::Module model;
  model.register_module("to_one", nn::Linear(nn::LinearOptions(4, 1).bias(false)));
  model.register_module("from_one", nn::Linear(nn::LinearOptions(1, 4).bias(false)));
  model.register_module("depthwise", nn::Conv2d(nn::Conv2dOptions(4, 8, 3).groups(4).bias(false)));
  model.register_module("grouped", nn::Conv2d(nn::Conv2dOptions(8, 8, 3).groups(2).bias(false)));
  model.register_module("in_threes", nn::Conv2d(nn::Conv2dOptions(6, 6, 3).groups(2).bias(false)));
  model.register_module("from_three", nn::Linear(nn::LinearOptions(3, 16).bias(false)));
  model.register_module("long", nn::Linear(nn::LinearOptions(4, 513).bias(false)));
  model.register_module("not_too_long", nn::Linear(nn::LinearOptions(4, 512).bias(false)));
  model.register_module("gray", nn::Conv2d(nn::Conv2dOptions(1, 8, 3).bias(false)));
  model.register_module("norm", nn::LayerNorm(nn::LayerNormOptions({3, 4})));
  model.register_parameter("empty", torch::zeros({0, 4}));
  model.register_parameter("slots", torch::zeros({1, 8, 8}));
  model.register_module("lm_head", nn::Linear(nn::LinearOptions(4, 4).bias(false)));
  EXPECT_EQ(under(make_plan(model), Algorithm::muon),
            (Names{"grouped.weight", "not_too_long.weight", "gray.weight"}));
}

// ---- errors ----

TEST(PlanErrors, TwoTensorsOnOneMemoryAreNamed) {
  nn::Linear a(3, 3), b(3, 3);
  b->weight.set_data(a->weight);  // shares the memory, not the identity
  nn::Module model;
  model.register_module("a", a);
  model.register_module("b", b);
  expect_mentions(message_of<std::invalid_argument>([&] { (void)make_plan(model); }),
                  {"'a.weight' and 'b.weight' are two tensors on the same memory"});
}

TEST(Plan, SlicesOfOneBufferAreParametersOfTheirOwn) {
  const torch::Tensor buffer = torch::zeros(24);
  nn::Linear a(nn::LinearOptions(3, 4).bias(false)), b(nn::LinearOptions(3, 4).bias(false));
  a->weight.set_data(buffer.narrow(0, 0, 12).view({4, 3}));
  b->weight.set_data(buffer.narrow(0, 12, 12).view({4, 3}));
  EXPECT_EQ(make_plan(*nn::Sequential(b, a)).assignments().size(), 2u);
}

TEST(Plan, ALoopOverATemporaryIsSafe) {
  nn::Linear model(3, 3);
  Names seen;
  for (const Assignment& a : make_plan(*model).assignments()) seen.push_back(a.parameter.name);
  EXPECT_EQ(seen, (Names{"weight", "bias"}));
}

TEST(PlanErrors, AParameterWithoutARuleIsNamed) {
  expect_error({by_dim(2).use(to_muon)},
               {"'norm.weight'", "'lm_head.bias'", "no rule", "otherwise()"});
}

TEST(PlanErrors, ARuleThatMatchesNothingIsNamed) {
  expect_error({by_name("*head2*").use(to_muon), otherwise().use(to_adamw)},
               {"rule 1", "name", "*head2*", "matches no parameter"});
}

TEST(PlanErrors, ARuleThatComesTooLateIsNamed) {
  expect_error({by_dim(0).use(to_adamw), by_name("embed*").use(to_adamw)},
               {"rule 2", "embed*", "earlier rules"});
}

TEST(PlanErrors, ARuleWithoutAnActionIsNamed) {
  expect_error({by_name("embed*"), otherwise().use(to_adamw)}, {"rule 1", "embed*", "use()"});
}

TEST(PlanErrors, AModelWithoutTrainableParametersIsRefused) {
  expect_error(std::vector<Parameter>{}, muon::default_rules(), {"no trainable parameter"});
}

TEST(PlanErrors, NamesAndTensorsOccurOnce) {
  const auto rest = std::vector<Rule>{otherwise().use(to_adamw)};
  expect_error({made_by_hand("a", {2, 2}), made_by_hand("a", {3, 3})}, rest, {"'a'", "twice"});
  Parameter alias = made_by_hand("b", {2, 2});
  alias.aliases = {"a"};
  expect_error({made_by_hand("a", {2, 2}), alias}, rest, {"'a'", "twice"});
  Parameter first = made_by_hand("first", {2, 2}), second = made_by_hand("second", {2, 2});
  first.tensor = second.tensor = torch::ones({2, 2});
  expect_error({first, second}, rest, {"'second'", "already"});
}

TEST(PlanErrors, MuonNeedsMatricesOfRealNumbers) {
  const auto all = std::vector<Rule>{otherwise().use(to_muon)};
  expect_error({made_by_hand("v", {4})}, all, {"'v'", "[4]", "AdamW"});
  expect_error({made_by_hand("s", {})}, all, {"'s'", "[]", "AdamW"});
  expect_error({made_by_hand("e", {4, 0})}, all, {"'e'", "[4, 0]", "no entries"});
  Parameter complex = made_by_hand("c", {2, 2}), integer = made_by_hand("i", {2, 2});
  complex.tensor = torch::ones({2, 2}, torch::kComplexFloat);
  integer.tensor = torch::ones({2, 2}, torch::kLong);
  expect_error({complex, integer}, all, {"'c'", "Complex", "'i'", "Long"});
}

TEST(PlanErrors, AViewThatDoesNotFitIsNamed) {
  expect_error({by_name("*qkv.weight").view(MatrixView::matrix().chunk_rows(5)).use(to_muon),
                otherwise().use(to_adamw)},
               {"rule 1", "'blocks.0.qkv.weight'", "'blocks.1.qkv.weight'", "chunk_rows(5)"});
  expect_error({made_by_hand("kernel", {4, 3, 3})}, {otherwise().use(to_muon)},
               {"'kernel'", "flatten()", "stack()"});
}

TEST(PlanErrors, TheBuiltInRulesNameAParameterWhoseViewDoesNotFit) {
  expect_error({made_by_hand("kernel", {4, 3, 3})}, muon::default_rules(),
               {"'kernel'", "flatten()", "stack()"});
}

TEST(PlanErrors, OptionsOutOfRangeAreNamed) {
  expect_error({by_dim(2).use(MuonOptions(0.02).momentum(1)), otherwise().use(AdamWOptions(-1))},
               {"rule 1", "momentum", "rule 2 (otherwise)", "lr", "-1"});
}

TEST(PlanErrors, AllProblemsAreInOneError) {
  expect_error({by_name("typo").use(to_muon), by_name("norm.bias").use(to_muon), by_dim(2),
                by_name("late").use(MuonOptions(-1))},
               {"typo", "'norm.bias'", "2 to 64 dimensions", "lr", "'norm.weight'"});
}

// ---- groups ----

TEST(PlanGroups, JoinEqualOptionsWithMuonsFirst) {
  const Plan plan =
      make_plan(Net(), {by_role(Role::bias).use(AdamWOptions(3e-4)),
                        by_name("*.qkv.*").use(MuonOptions(0.5)), by_name("*.fc.*").use(to_muon),
                        by_role(Role::gain).use(to_adamw), otherwise().use(AdamWOptions(1e-2))});
  const auto groups = plan.param_groups();
  ASSERT_EQ(groups.size(), 4u);
  const std::vector<std::pair<double, std::size_t>> expected{
      {0.5, 2}, {0.02, 2}, {1e-2, 2}, {3e-4, 7}};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(groups[i].options->clone()->get_lr(), expected[i].first) << i;
    EXPECT_EQ(groups[i].params.size(), expected[i].second) << i;
    EXPECT_EQ(groups[i].names.size(), expected[i].second) << i;
  }
  EXPECT_EQ(plan.param_groups(Algorithm::muon).size(), 2u);
  EXPECT_EQ(plan.param_groups(Algorithm::adamw).size(), 2u);
}

TEST(PlanGroups, CarryTheViewsOfMuon) {
  nn::Module model;
  model.register_module("fc", nn::Linear(nn::LinearOptions(4, 4).bias(false)));
  model.register_module("conv", nn::Conv1d(nn::Conv1dOptions(2, 4, 3).bias(false)));
  const auto groups = make_plan(model, {otherwise().use(to_muon)}).param_groups();
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].views, (std::vector{MatrixView::matrix(), MatrixView::flatten()}));
}

TEST(PlanGroups, NeedTensors) {
  const Plan plan({made_by_hand("from.a.file", {2, 2})}, {otherwise().use(to_muon)});
  EXPECT_FALSE(plan.table().empty());
  EXPECT_THROW(
      try { (void)plan.param_groups(); } catch (const std::invalid_argument& error) {
        expect_mentions(error.what(), {"'from.a.file'"});
        throw;
      },
      std::invalid_argument);
}

// ---- text ----

TEST(PlanTable, HasARowForEachParameterAndTotals) {
  const std::string table = make_plan(Net()).table();
  std::istringstream lines(table);
  std::string header;
  std::getline(lines, header);
  std::size_t last = 0;
  for (const std::string column :
       {"name", "shape", "matrices", "role", "optimizer", "lr", "effective lr", "decay", "why"}) {
    const std::size_t place = header.find(column, last);
    ASSERT_NE(place, std::string::npos) << column;
    last = place + column.size();
  }
  for (const auto& entry : Net().named_parameters())
    expect_mentions(table, {"\n" + entry.key() + " "});
  // hidden: 2 x (12*4 + 4*12); the rest: 10*4 + 2 x (12 + 4) + 4 + 4 + 10*4 + 10
  expect_mentions(table, {"[12, 4]", "3 of 4x4", "hidden matrix", "1 of 4x12", "4 parameters",
                          "192 values", "9 parameters", "130 values"});
  EXPECT_EQ(table.find('?'), std::string::npos);
  std::ostringstream out;
  out << make_plan(Net());
  EXPECT_EQ(out.str(), table);
}

TEST(PlanTable, MarksARoleThatWasDecidedByPositionAlone) {
  const nn::Sequential model(nn::Linear(4, 4), nn::ReLU(), nn::Linear(4, 4));
  const std::string table = make_plan(*model).table();
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    const bool marked = line.find('?') != std::string::npos;
    EXPECT_EQ(marked, line.starts_with("2.weight") || line.starts_with("?")) << line;
  }
  expect_mentions(table, {"? position only", "output head", "\n?"});
}

TEST(PlanTable, MarksAMatrixThatIsKnownByItsShapeAlone) {
  nn::Module model;
  model.register_parameter("mystery", torch::ones({3, 4}));
  model.register_parameter("vector", torch::ones({4}));
  std::istringstream lines(make_plan(model).table());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(line.find('?') != std::string::npos,
              line.starts_with("mystery") || line.starts_with("?"))
        << line;
  }
}

TEST(PlanTable, EscapesControlCharacters) {
  Parameter p = made_by_hand("a\x1b[2J\xe2\x80\xae", {4, 4});
  p.aliases = {"b\xc2\x9b\n"};
  const std::string table =
      Plan({p}, {muon::where("r\x7f", [](const Parameter&) { return true; }).use(to_muon)}).table();
  expect_mentions(table, {"a\\u001b[2J\\u202e", "b\\u009b\\u000a", "r\\u007f"});
  for (const std::string raw : {"\x1b", "\xe2\x80\xae", "\xc2\x9b", "\x7f"})
    EXPECT_EQ(table.find(raw), std::string::npos);
  expect_error({p, p}, {otherwise().use(to_muon)},
               {"'a\\u001b[2J\\u202e' is named twice", "'b\\u009b\\u000a' is named twice"});
}

TEST(PlanTotals, EndAtTheLargestNumber) {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 3; ++i)
    parameters.push_back(
        made_by_hand(std::to_string(i), {std::int64_t{1} << 31, std::int64_t{1} << 31}));
  parameters.push_back(made_by_hand("too large", {std::int64_t{1} << 40, std::int64_t{1} << 40}));
  const auto json = nlohmann::json::parse(Plan(parameters, {otherwise().use(to_adamw)}).json());
  EXPECT_EQ(json.at("totals").at("adamw").at("values"), std::numeric_limits<std::int64_t>::max());
}

TEST(PlanTotals, CountTiedValuesOnce) {
  nn::Linear shared(nn::LinearOptions(30, 40).bias(false));
  nn::Module model;
  model.register_module("first", shared);
  model.register_module("second", shared);
  const Plan plan = make_plan(model, {otherwise().use(to_muon)});
  expect_mentions(plan.table(), {"1,200 values", "1 parameter,", "also second.weight"});
  const auto json = nlohmann::json::parse(plan.json());
  EXPECT_EQ(json.at("totals").at("muon").at("values"), 1200);
  EXPECT_EQ(json.at("totals").at("muon").at("parameters"), 1);
  EXPECT_EQ(json.at("parameters").at(0).at("aliases"), Names{"second.weight"});
}

TEST(PlanJson, HoldsEverything) {
  const Plan plan = make_plan(
      Net(), {by_module("Embedding").freeze(),
              by_name("*qkv.weight").view(MatrixView::matrix().split_rows({8, 4})).use(to_muon),
              otherwise().use(to_adamw)});
  const auto json = nlohmann::json::parse(plan.json());
  ASSERT_EQ(json.at("parameters").size(), 13u);
  const auto& frozen = json.at("parameters").at(0);
  EXPECT_EQ(frozen.at("name"), "embed.weight");
  EXPECT_EQ(frozen.at("optimizer"), "frozen");
  EXPECT_FALSE(frozen.contains("options"));
  const auto& qkv = json.at("parameters").at(1);
  EXPECT_EQ(qkv.at("shape"), (std::vector{12, 4}));
  EXPECT_EQ(qkv.at("module_type"), "Linear");
  EXPECT_EQ(qkv.at("role"), "hidden matrix");
  EXPECT_EQ(qkv.at("evidence"), "module type");
  EXPECT_EQ(qkv.at("low_confidence"), false);
  EXPECT_EQ(qkv.at("view"), "matrix.split_rows(8,4)");
  EXPECT_EQ(
      qkv.at("matrices"),
      nlohmann::json::parse(R"([{"count":1,"rows":8,"cols":4},{"count":1,"rows":4,"cols":4}])"));
  EXPECT_DOUBLE_EQ(qkv.at("effective_lr").at(0), 0.02 * std::sqrt(2));
  EXPECT_DOUBLE_EQ(qkv.at("effective_lr").at(1), 0.02);
  for (const char* option : {"lr", "weight_decay", "momentum", "nesterov", "ns_coefficients", "eps",
                             "ns_steps", "adjust_lr_fn", "norm_eps", "compute_dtype"}) {
    EXPECT_TRUE(qkv.at("options").contains(option)) << option;
  }
  const auto& bias = json.at("parameters").at(2);
  for (const char* option : {"lr", "betas", "eps", "weight_decay", "amsgrad"}) {
    EXPECT_TRUE(bias.at("options").contains(option)) << option;
  }
  EXPECT_EQ(json.at("totals").at("frozen").at("values"), 40);
}

TEST(PlanJson, SurvivesNamesThatAreNotText) {
  const Plan plan({made_by_hand("bad\xff\"name", {2, 2})}, {otherwise().use(to_muon)});
  EXPECT_TRUE(nlohmann::json::accept(plan.json()));
}

}  // namespace
