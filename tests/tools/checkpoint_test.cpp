// muon train stopped and resumed, muon plan and muon inspect, as a user runs them.
#include "tools/program.hpp"

#include <muon/muon.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <csignal>
#include <random>

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Resume : public InFolder {};
class PlanFile : public InFolder {};
class Inspect : public InFolder {};

const std::string quick =
    "$muon train --data random --threads 1 --steps 300 --batch-size 16 --momentum-warmup 50 "
    "--warmup 20";

TEST_F(Resume, StoppedAtAnyMomentAndGoneOnIsNeverStopped) {
  for (const std::string more : {"", " --optimizer adamw"}) {
    fs::remove_all("whole");
    ASSERT_EQ(shell(quick + more + " --run-dir whole").status, 0);
    std::mt19937 random(2);
    for (int i = 0; i < 3; ++i) {
      const std::string run = "run" + std::to_string(i) + (more.empty() ? "" : "-adamw");
      std::string command = quick + more + " --gradients 1 --run-dir " + run;
      int stops = 0;
      for (int reached = 0;; ++stops) {  // each time a little further
        Running training(command);
        const int step = reached + 1 + static_cast<int>(random() % 60);
        // a signal near the end might meet a program that is through
        if (step <= 240 && training.read_until(after_step(step)))
          training.signal(stops % 2 == 0 ? SIGINT : SIGTERM);
        const Result result = training.finish();
        const std::string next = line_after(result.out, "to resume");
        ASSERT_EQ(result.status, next.empty() ? 0 : 128 + (stops % 2 == 0 ? SIGINT : SIGTERM))
            << result.out;
        if (next.empty()) break;
        ASSERT_THAT(next, AllOf(HasSubstr("muon train"), HasSubstr("--resume " + run)));
        reached = std::stoi(result.out.substr(result.out.rfind(" after step ") + 12));
        command = next;
      }
      EXPECT_GT(stops, 0);
      EXPECT_EQ(contents(fs::path(run) / "model.pt"), contents("whole/model.pt"));
      const auto loss = [](const fs::path& path) {
        return Json::parse(contents(path / "summary.json")).at("epochs").back().at("train_loss");
      };
      EXPECT_EQ(loss(run), loss("whole"));
    }
  }
}

TEST_F(Resume, KilledTooWithSaveEvery) {
  ASSERT_EQ(shell(quick + " --run-dir whole").status, 0);
  const std::string command = quick + " --gradients 1 --save-every 7 --run-dir killed";
  for (const int step : {30, 100, 170, 240}) {  // in each, one more than seven steps after the last
    Running training(command + (step == 30 ? "" : " --resume"));
    ASSERT_TRUE(training.read_until(after_step(step)));
    training.signal(SIGKILL);
    EXPECT_EQ(training.finish().status, 128 + SIGKILL);
  }
  const Result last = shell(quick + " --save-every 7 --run-dir killed --resume");
  ASSERT_EQ(last.status, 0) << last.out;
  EXPECT_EQ(contents("killed/model.pt"), contents("whole/model.pt"));
  // --keep 3, and one that a kill left
  EXPECT_LE(std::distance(fs::directory_iterator("killed/checkpoints"), {}), 3 + 1);
}

TEST_F(Resume, RefusesOtherOptionsAndOtherFiles) {
  ASSERT_EQ(shell(quick + " --save-every 100 --run-dir a --checkpoint points").status, 0);
  const std::string again =
      "$muon train --data random --threads 1 --steps 300 --batch-size 16 --momentum-warmup 50 "
      "--warmup 20";
  EXPECT_THAT(shell("$muon train --data random --threads 1 --steps 200 --batch-size 16 "
                    "--momentum-warmup 50 --warmup 20 --lr 0.5 --resume points --run-dir b")
                  .out,
              AllOf(HasSubstr("lr was 0.02 and is 0.5 now"),
                    HasSubstr("--steps 200 is fewer than the 300 steps that are done")));
  EXPECT_EQ(shell(again + " --resume nothing --run-dir b").status, 2);
  EXPECT_EQ(shell(again + " --resume --run-dir b").status, 2);
  muon::write_safetensors("weights.safetensors", {{"a", torch::ones({1})}});
  EXPECT_THAT(shell(again + " --resume weights.safetensors --run-dir b").out,
              HasSubstr("not a checkpoint"));
  EXPECT_THAT(shell(again + " --optimizer sgd --checkpoint points --run-dir b").out,
              HasSubstr("sgd has no checkpoints"));
  EXPECT_FALSE(fs::exists("b"));
  EXPECT_EQ(shell(again + " --resume points/step-00000200.safetensors --run-dir b").status, 0);
  EXPECT_EQ(contents("a/model.pt"), contents("b/model.pt"));
}

TEST_F(Resume, AFolderInUseOrOfAnotherRunIsLeftAlone) {
  ASSERT_EQ(shell(quick + " --save-every 100 --run-dir a --checkpoint points").status, 0);
  EXPECT_THAT(shell(quick + " --run-dir b --checkpoint points").out,
              HasSubstr("points holds checkpoints of another run"));
  EXPECT_FALSE(fs::exists("b"));
  Running first(
      "$muon train --data random --threads 1 --steps 100000 --save-every 50 --gradients 1 "
      "--run-dir c");
  ASSERT_TRUE(first.read_until(after_step(51)));
  const Result second = shell(
      "$muon train --data random --threads 1 --steps 100000 --save-every 50 --run-dir c --resume");
  EXPECT_EQ(second.status, 2);
  EXPECT_THAT(second.out, HasSubstr("another muon train is at work in c"));
}

TEST_F(Resume, AFileThatMayNotGrowIsAnErrorWithItsName) {
  const Result full = shell("ulimit -f 500; " + quick + " --save-every 5 --run-dir full");
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.out, HasSubstr("step-00000005.safetensors cannot be written: File too large"));
  EXPECT_EQ(std::distance(fs::directory_iterator("full/checkpoints"), {}), 0);
}

TEST_F(PlanFile, PrintsTableJsonAndPython) {
  muon::write_safetensors("m.safetensors",
                          {{"model.embed_tokens.weight", torch::zeros({8, 4})},
                           {"model.layers.0.self_attn.q_proj.weight", torch::zeros({4, 4})},
                           {"model.layers.0.self_attn.qkv_proj.weight", torch::zeros({12, 4})},
                           {"model.layers.0.conv.weight", torch::zeros({4, 4, 3, 3})},
                           {"model.layers.0.norm.weight", torch::zeros({4})},
                           {"lm_head.weight", torch::zeros({8, 4})}});
  const Result table = shell("$muon plan m.safetensors");
  EXPECT_EQ(table.status, 0);
  EXPECT_THAT(table.out, AllOf(HasSubstr("m.safetensors  (safetensors)"),
                               HasSubstr("name: 'q_proj'"), HasSubstr("Muon"), HasSubstr("AdamW")));
  const Json json = Json::parse(shell("$muon plan m.safetensors --json --lr 0.1").out);
  EXPECT_EQ(json.at("totals").at("muon").at("parameters"), 3);
  EXPECT_EQ(json.at("file_format"), "safetensors");
  const Result python =
      shell("$muon plan m.safetensors --python --assign '*.q_proj.weight=freeze'");
  EXPECT_THAT(python.out, AllOf(HasSubstr("torch.optim.Muon("), HasSubstr("chunk_rows(3)"),
                                HasSubstr("frozen_names"), HasSubstr("adamw_instead_names")));
  if (std::system("python3 -c 'import ast' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "no python3 here to parse the groups with";
  EXPECT_EQ(shell("$muon plan m.safetensors --python --assign '*.q_proj.weight=freeze' >groups.py; "
                  "python3 -c \"import ast; ast.parse(open('groups.py').read())\"")
                .status,
            0);
  if (std::system("python3 -c 'import torch.optim._muon' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "no python3 with torch.optim.Muon here to run the groups in";
  const Result run = shell(
      "$muon plan m.safetensors --python >groups.py; python3 -W ignore -c \"\n"
      "import torch\n"
      "class Model:\n"
      "    p = [(n, torch.nn.Parameter(torch.zeros(s))) for n, s in [('model.embed_tokens.weight', "
      "(8, 4)),\n"
      "        ('model.layers.0.self_attn.q_proj.weight', (4, 4)), "
      "('model.layers.0.self_attn.qkv_proj.weight', (12, 4)),\n"
      "        ('model.layers.0.conv.weight', (4, 4, 3, 3)), ('model.layers.0.norm.weight', (4,)), "
      "('lm_head.weight', (8, 4))]]\n"
      "    def named_parameters(self): return self.p\n"
      "model = Model()\n"
      "exec(open('groups.py').read())\n"
      "assert sum(len(g['params']) for o in (muon, adamw) for g in o.param_groups) == 6\n\"");
  EXPECT_EQ(run.status, 0) << run.out;
}

/// Names that would clear the terminal, hide what follows or end the line.
TEST_F(PlanFile, PrintsNoControlCharactersOfForeignText) {
  const std::string bad = "a\x1b[2J\r\xc2\x9b\x7f\xe2\x80\xae\xe2\x81\xa6";
  muon::write_safetensors("f\x1b.safetensors", {{bad + ".weight", torch::zeros({4, 4})},
                                                {bad + "\n.running_mean", torch::zeros({4})}});
  const Result table = shell("$muon plan f*");
  EXPECT_THAT(table.out, AllOf(HasSubstr("f\\u001b.safetensors"), HasSubstr("a\\u001b[2J\\u000d"),
                               HasSubstr("\\u000a.running_mean")));
  const Result json = shell("$muon plan f* --json");
  EXPECT_EQ(Json::parse(json.out).at("parameters").at(0).at("name"), bad + ".weight");
  EXPECT_EQ(Json::parse(json.out).at("skipped").at(0).at("name"), bad + "\n.running_mean");
  const Result python = shell("$muon plan f* --python");
  const Result refused = shell(
      "$muon plan f* --assign 'x*=muon'; printf hello >\"$(printf 'g\\033.pt')\"; $muon plan g*");
  EXPECT_THAT(refused.out, AllOf(HasSubstr("matches no parameter"), HasSubstr("g\\u001b.pt")));
  for (const std::string& out : {table.out, json.out, python.out, refused.out}) {
    for (const std::string raw :
         {"\x1b", "\r", "\xc2\x9b", "\x7f", "\xe2\x80\xae", "\xe2\x81\xa6"}) {
      EXPECT_THAT(out, Not(HasSubstr(raw)));
    }
  }
}

TEST_F(PlanFile, PythonKeepsTheDoubtsAsComments) {
  muon::write_safetensors("m.safetensors", {{"blocks.0.mixing", torch::zeros({8, 8})},
                                            {"blocks.0.experts.up_bias", torch::zeros({4, 32})},
                                            {"blocks.0.up.weight", torch::zeros({32, 8})},
                                            {"fc.weight", torch::zeros({50, 8})}});
  const Result python = shell("$muon plan m.safetensors --python");
  EXPECT_THAT(python.out,
              AllOf(HasSubstr("\"blocks.0.mixing\",  # ? shape only: [8, 8]\n"),
                    HasSubstr("\"blocks.0.up.weight\",\n"),
                    HasSubstr("\"fc.weight\",  # ? name: 'fc'"), HasSubstr("please review")));
  const auto adamw = python.out.find("adamw_names = ");
  EXPECT_LT(adamw, python.out.find("experts.up_bias"));
}

TEST_F(PlanFile, PythonReadsEveryNameAsItIs) {
  const std::string bad = "a\x1b\xc2\x9b\x7f\xe2\x80\xae\xc3\xb6'\"\\.weight";
  muon::write_safetensors("m.safetensors", {{bad, torch::zeros({4, 4})}});
  if (std::system("python3 -c 'import ast' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "no python3 here to read the groups with";
  const Result name = shell(
      "$muon plan m.safetensors --python >groups.py; python3 -c \"\n"
      "text = open('groups.py', encoding='utf-8').read()\n"
      "scope = {}\n"
      "exec(text[text.index('muon_names'):text.index('adamw_names')], scope)\n"
      "print(scope['muon_names'][0].encode('utf-8').hex())\n\"");
  std::string hex;
  for (const unsigned char c : bad) hex += fmt::format("{:02x}", c);
  EXPECT_EQ(name.out, hex + "\n");
}

TEST_F(PlanFile, DescribesTensorsWithoutValues) {
  muon::write_safetensors("m.safetensors",
                          {{"a", torch::zeros({0, 4, 4})}, {"b", torch::zeros({4, 0, 4})}});
  const Result result = shell("$muon plan m.safetensors");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("[0, 4, 4]"), HasSubstr("rule 'no values'"),
                                HasSubstr("AdamW      2 parameters")));
}

TEST_F(PlanFile, Refuses) {
  std::ofstream("text.pt") << "hello";
  EXPECT_THAT(shell("$muon plan text.pt").out, HasSubstr("text.pt"));
  EXPECT_EQ(shell("$muon plan text.pt").status, 1);
  EXPECT_EQ(shell("$muon plan nothing.pt").status, 1);
  EXPECT_EQ(shell("$muon plan").status, 2);
  muon::write_safetensors("m.safetensors", {{"a.weight", torch::zeros({8, 4})}});
  EXPECT_EQ(shell("$muon plan m.safetensors --assign 'b=muon'").status, 2);
  EXPECT_EQ(shell("$muon plan m.safetensors --json --python").status, 2);
  muon::write_safetensors("ids.safetensors", {{"ids", torch::zeros({8}, torch::kInt64)}});
  EXPECT_THAT(shell("$muon plan ids.safetensors").out,
              HasSubstr("no parameter that an optimizer trains"));
}

TEST_F(Inspect, ShowsAndVerifies) {
  ASSERT_EQ(shell(quick + " --save-every 150 --run-dir a").status, 0);
  EXPECT_THAT(shell("$muon inspect a").out,
              AllOf(HasSubstr("step      300"), HasSubstr("optim/fc1.weight/momentum_buffer"),
                    HasSubstr("not verified")));
  EXPECT_THAT(shell("$muon inspect a --verify").out, HasSubstr("agree with the checksum"));
  EXPECT_THAT(shell("$muon plan a").out, AllOf(HasSubstr("fc1.weight"), Not(HasSubstr("optim/"))));
  const Json json =
      Json::parse(shell("$muon inspect a/checkpoints/step-00000150.safetensors --json").out);
  EXPECT_EQ(json.at("step"), 150);
  EXPECT_EQ(json.at("groups").at(0).at("algorithm"), "muon");
  EXPECT_TRUE(json.at("groups").at(0).at("options").at("lr").is_number());
  EXPECT_EQ(json.at("schedules").at(0).at("step"), 150);
  std::string bytes = contents("a/checkpoints/step-00000150.safetensors");
  bytes[bytes.size() - 6000] = static_cast<char>(bytes[bytes.size() - 6000] ^ 1);
  std::ofstream("bad.safetensors", std::ios::binary) << bytes;
  EXPECT_EQ(shell("$muon inspect bad.safetensors").status, 0);
  const Result verified = shell("$muon inspect bad.safetensors --verify");
  EXPECT_EQ(verified.status, 1);
  EXPECT_THAT(verified.out, HasSubstr("bad.safetensors is damaged"));
  EXPECT_EQ(shell("$muon inspect .").status, 2);
}

}  // namespace
