// Text from files and from the command line, on its way to a terminal: nothing in it may be obeyed
// there.
#include "tools/program.hpp"

#include <muon/state/checkpoint.hpp>
#include <muon/state/safetensors.hpp>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <csignal>
#include <string_view>

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

// red by ESC [, and by U+009B alone; a bell; a return to the line's beginning; a backspace; DEL;
// text from right to left
const std::string evil =
    "x\x1b[31m\xc2\x9b"
    "31m\a\r\b\x7f\xe2\x80\xaez";

class Hostile : public InFolder {
 protected:
  static void expect_harmless(const Result& result, const std::string& where) {
    EXPECT_FALSE(result.out.empty()) << where;
    for (const char c : result.out) {
      const auto byte = static_cast<unsigned char>(c);
      EXPECT_TRUE(c == '\n' || (byte >= 0x20 && byte != 0x7f))
          << where << ": byte " << static_cast<int>(byte);
    }
    for (const char* sequence : {"\xc2\x9b", "\xe2\x80\xae"})
      EXPECT_EQ(result.out.find(sequence), std::string::npos) << where;
    EXPECT_THAT(result.out, HasSubstr("z")) << where;  // the text is there, made harmless
  }

  /// One word for the shell.
  static std::string word(const std::string& text) { return "'" + text + "'"; }
};

TEST_F(Hostile, CheckpointsAreInspectedWithoutHarm) {
  const Json options{{"lr", 0.02}, {evil, evil}};
  const Json parameters = Json::array({Json{{"name", evil}, {"shape", {2}}, {"view", evil}}});
  const Json groups =
      Json::array({Json{{"algorithm", "muon"}, {"options", options}, {"parameters", parameters}}});
  const std::string file = evil + ".safetensors";
  muon::write_safetensors(
      "plain.safetensors", {{"model/" + evil, torch::ones({2})}},
      {{"format", "muon.cpp checkpoint"},
       {"format_version", "1"},
       {"checksum", "crc32:00000000"},
       {"step", "1"},
       {"library", evil},
       {"groups", groups.dump()},
       {"schedule", Json{{"step", 1}, {"initial_lr", {0.02}}, {evil, evil}}.dump()},
       {"note/" + evil, evil}});
  fs::copy_file("plain.safetensors", file);
  const Result table = shell("$muon inspect " + word(file));
  EXPECT_EQ(table.status, 0) << table.out;
  expect_harmless(table, "table");
  const Result json = shell("$muon inspect --json " + word(file));
  expect_harmless(json, "json");
  EXPECT_EQ(Json::parse(json.out).at("notes").at(evil), evil);
  expect_harmless(shell("$muon inspect --verify " + word(file)), "a wrong checksum");
  expect_harmless(shell("$muon inspect --metric a " + word(file)), "a checkpoint has no metrics");
}

TEST_F(Hostile, RunsAreInspectedWithoutHarm) {
  const std::string file = evil + ".jsonl";
  std::ofstream(file)
      << Json{{"run", {{"id", evil}, {"project", evil}, {"name", evil}, {"start", 1.5}}},
              {"config", {{evil, evil}}}}
      << "\n"
      << Json{{"_step", 0}, {"_timestamp", 2.5}, {evil + "loss", 1.0}, {evil + "text", evil}}
      << "\n"
      << Json{{"_step", 1}, {"_timestamp", 3.5}, {evil + "loss", 2.0}} << "\n";
  fs::copy_file(file, "b" + file);
  expect_harmless(shell("$muon inspect " + word(file)), "table");
  const Result json = shell("$muon inspect --json " + word(file));
  expect_harmless(json, "json");
  EXPECT_EQ(Json::parse(json.out).at("name"), evil);
  EXPECT_EQ(Json::parse(json.out).at("config").at(evil), evil);
  expect_harmless(shell("$muon inspect " + word(file) + " " + word("b" + file)), "comparison");
  expect_harmless(shell("$muon inspect --metric nothing " + word(file)), "metrics that there are");
  expect_harmless(shell("$muon inspect --metric " + word(evil) + " " + word(file)),
                  "a metric that is not there");
  std::ofstream(file, std::ios::app) << "{\"exit\": 0, \"_timestamp\": 4.5}\n";
  expect_harmless(shell("$muon inspect --follow " + word(file)), "following");
  std::ofstream(file, std::ios::app) << evil << "\n{\"" << evil;
  expect_harmless(shell("$muon inspect " + word(file)), "problems");
}

TEST_F(Hostile, PlansAreMadeWithoutHarm) {
  const std::string file = evil + ".safetensors", astral = "\xf0\x9f\x98\x80";
  muon::write_safetensors("plain.safetensors", {{evil + ".weight", torch::ones({4, 4})},
                                                {astral + "\\u0041\".weight", torch::ones({4, 4})},
                                                {evil + ".ids", torch::ones({4}, torch::kInt64)}});
  fs::copy_file("plain.safetensors", file);
  expect_harmless(shell("$muon plan " + word(file)), "table");
  const Result json = shell("$muon plan --json " + word(file));
  expect_harmless(json, "json");
  EXPECT_EQ(Json::parse(json.out).at("skipped").at(0).at("name"), evil + ".ids");
  expect_harmless(shell("$muon plan --python " + word(file)), "Python");
  expect_harmless(shell("$muon plan --assign " + word(evil + "=muon") + " " + word(file)),
                  "a rule for nothing");
  if (std::system("python3 -c 'import ast' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "no python3 here to read the names with";
  const Result names =
      shell("$muon plan --python " + word(file) +
            " | python3 -c \"import ast, json, sys; print(json.dumps([ast.literal_eval(n) for s in "
            "ast.parse(sys.stdin.read()).body if isinstance(s, ast.Assign) and isinstance(s.value, "
            "ast.List) for n in s.value.elts]))\"");
  const auto found = Json::parse(names.out).get<std::vector<std::string>>();
  EXPECT_THAT(found, testing::UnorderedElementsAre(evil + ".weight", astral + "\\u0041\".weight"));
}

TEST_F(Hostile, ErrorsTellNamesWithoutHarm) {
  const std::string name = word(evil);
  std::ofstream(evil) << "no file of ours";
  fs::create_directory(evil + "d");
  for (const std::string& command : std::vector<std::string>{
           name,
           "train " + word("--" + evil),
           "train --model " + name,
           "train --optimizer " + name,
           "train --method " + name,
           "train --device " + name,
           "train --data " + name,
           "train --lr " + name,
           "train --steps " + name,
           "train --track " + name,
           "train --assign " + name,
           "train --assign " + word(evil + "=muon"),
           "train --data random --resume " + name + "d",
           "train --data random --steps 1 --summary " + name + "d",
           "train --data random --steps 1 --run-dir " + name,
           "train --data random --track wandb --project " + word(evil + "/") + " --steps 1",
           "plan " + name,
           "plan " + word(evil + "n"),
           "inspect " + name,
           "inspect " + word(evil + "n"),
           "inspect " + name + "d"}) {
    const Result result = shell("$muon " + command);
    EXPECT_NE(result.status, 0) << command;
    expect_harmless(result, command);
  }
}

TEST_F(Hostile, TheCommandToResumeIsHarmlessAndWorks) {
  Running training(
      "$muon train --data random --threads 1 --steps 300 --gradients 1 --track jsonl --run-dir " +
      word(evil));
  ASSERT_TRUE(training.read_until(after_step(20)));
  training.signal(SIGINT);
  const Result stopped = training.finish();
  expect_harmless(stopped, "stopped");
  const std::string next = line_after(stopped.out, "to resume");
  std::ofstream("next") << next;
  if (std::system("bash --version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "no bash here to paste the command into";
  const Result whole = shell("bash next");
  EXPECT_EQ(whole.status, 0) << whole.out;
  expect_harmless(whole, "whole");
  EXPECT_TRUE(fs::exists(fs::path(evil) / "model.pt"));
}

}  // namespace
