// Parameters of public models by name and shape, and who gets them. The files of families say who
// should, and which rows are known to go elsewhere; anything that is worse than that fails.
#include "plan/describe_names.hpp"

#include <muon/muon.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct FamilyRow {
  muon::NamedTensor tensor;
  char who = 'e';             // a: AdamW, m: Muon, e: either, b: anything but Muon
  bool known_wrong = false;   // "a!", "m!"
  bool known_silent = false;  // "a!!": to Muon without a mark
};

struct Family {
  std::string name;
  std::vector<FamilyRow> rows;
};

/// "32x5760x90x16:U8", "768", "scalar:F32"
void read_shape(const std::string& text, muon::NamedTensor& tensor) {
  const auto colon = text.find(':');
  tensor.dtype = colon == std::string::npos ? "BF16" : text.substr(colon + 1);
  std::istringstream sides(text.substr(0, colon));
  for (std::string side; std::getline(sides, side, 'x');) {
    if (side != "scalar") tensor.shape.push_back(std::stoll(side));
  }
}

std::vector<Family> read_families(const fs::path& file) {
  std::ifstream in(file);
  std::vector<Family> families;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[') {
      families.push_back({line.substr(1, line.find(']') - 1), {}});
      continue;
    }
    FamilyRow row;
    std::string who, shape;
    std::istringstream words(line);
    if (families.empty() || !(words >> who >> shape >> row.tensor.name) ||
        std::string("ameb").find(who.front()) == std::string::npos)
      throw std::runtime_error(file.string() + ": not a row of a family: " + line);
    row.who = who.front();
    row.known_wrong = who.find('!') != std::string::npos;
    row.known_silent = who.find("!!") != std::string::npos;
    read_shape(shape, row.tensor);
    families.back().rows.push_back(row);
  }
  if (families.empty()) throw std::runtime_error(file.string() + " holds no family");
  return families;
}

struct Verdict {
  bool is_wrong = false;
  bool is_silent = false;  // to Muon without a mark
  std::string text;
};

Verdict judge(const FamilyRow& row, const muon::Assignment* assignment) {
  const bool by_muon = assignment != nullptr && assignment->algorithm == muon::Algorithm::muon;
  const bool by_adamw = assignment != nullptr && assignment->algorithm == muon::Algorithm::adamw;
  Verdict verdict;
  verdict.is_wrong =
      (row.who == 'a' && !by_adamw) || (row.who == 'm' && !by_muon) || (row.who == 'b' && by_muon);
  verdict.is_silent = verdict.is_wrong && by_muon && !assignment->parameter.low_confidence;
  verdict.text = assignment == nullptr
                     ? "left out"
                     : std::string(to_string(assignment->algorithm)) + ": " +
                           assignment->parameter.reason + "; rule '" + assignment->rule + "'";
  return verdict;
}

struct Count {
  int rows = 0, wrong = 0, silent = 0;
};

/// The family's parameters under the names that a wrapper of the whole model gives them.
void check_family(const Family& family, const std::string& wrapper, Count& count) {
  std::vector<muon::NamedTensor> tensors;
  for (const FamilyRow& row : family.rows) {
    tensors.push_back(row.tensor);
    tensors.back().name = wrapper + row.tensor.name;
  }
  const muon::Plan plan(muon::describe_names(tensors).parameters, muon::default_rules());
  std::map<std::string, const muon::Assignment*> found;
  for (const muon::Assignment& a : plan.assignments()) found[a.parameter.name] = &a;
  for (const FamilyRow& row : family.rows) {
    const auto at = found.find(wrapper + row.tensor.name);
    const Verdict verdict = judge(row, at == found.end() ? nullptr : at->second);
    ++count.rows;
    count.wrong += verdict.is_wrong;
    count.silent += verdict.is_silent;
    EXPECT_FALSE(verdict.is_silent && !row.known_silent)
        << family.name << ": " << row.tensor.name << " goes to Muon without a mark";
    EXPECT_FALSE(verdict.is_wrong && !row.known_wrong)
        << family.name << ": " << row.tensor.name << " should be '" << row.who << "', but is "
        << verdict.text;
  }
}

class Families : public testing::TestWithParam<const char*> {};

TEST_P(Families, AreSortedAsTheyShouldBe) {
  Count count;
  for (const Family& family : read_families(fs::path(MUON_FAMILIES) / GetParam()))
    check_family(family, "", count);
  std::cout << GetParam() << ": " << count.rows << " parameters, " << count.wrong << " wrong, "
            << count.silent << " to Muon without a mark\n";
  EXPECT_LE(count.wrong, 3 * count.rows / 100) << "more than 3 % are wrong";
}

TEST_P(Families, AreSortedAlikeUnderAWrapper) {
  for (const std::string wrapper : {"module.", "_orig_mod.", "model."}) {
    Count count;
    for (const Family& family : read_families(fs::path(MUON_FAMILIES) / GetParam()))
      check_family(family, wrapper, count);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, Families, testing::Values("public_models.txt", "more_models.txt", "unseen.txt"),
    [](const auto& file) {
      return std::string(file.param).substr(0, std::string(file.param).find('.'));
    });

}  // namespace
