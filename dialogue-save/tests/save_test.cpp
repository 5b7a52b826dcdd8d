// Saving: names that are never taken twice, files that are whole or not there, hooks, lists.
#include "saving.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

const std::string fixed_time = " --time '2025-10-16 18:40:38' ";

TEST_F(Save, TwoRunsInOneSecondGiveTwoFiles) {
  for (const char* name : {"", "_2", "_3"}) {
    EXPECT_EQ(shell("$tool s.jsonl" + fixed_time).out,
              std::string("cc_dialogue/cc_20251016_184038") + name + ".md\n");
  }
  EXPECT_EQ(
      shell("for i in 1 2 3 4 5 6 7 8; do $tool s.jsonl" + fixed_time + "& done; wait").status, 0);
  EXPECT_EQ(saved_in("cc_dialogue").size(), 11u);
  for (const fs::path& file : saved_in("cc_dialogue"))
    EXPECT_EQ(contents(file), contents("cc_dialogue/cc_20251016_184038.md"));
}

/// Runs the program until it writes to the folder "out", and sends it a signal. Whether that ended
/// it, before it was done.
bool ended_while_it_wrote(int signal) {
  fs::remove_all("out");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(signal, SIG_DFL);  // whoever runs the tests may have it ignored
    ::execl(DIALOGUE_SAVE_PROGRAM, "dialogue-save", "large.jsonl", "--json", "--out-dir", "out",
            nullptr);
    ::_exit(127);
  }
  std::error_code error;
  const auto has_begun = [&] {
    for (const auto& entry : fs::directory_iterator("out", error)) {
      if (fs::file_size(entry, error) > 0) return true;
    }
    return false;
  };
  int status = 0;
  while (!has_begun()) {
    if (::waitpid(child, &status, WNOHANG) != 0) return false;
  }
  ::kill(child, signal);
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == signal && saved_in("out").empty();
}

class Interrupted : public Save {
 protected:
  Interrupted() {
    Turns turns;
    for (int i = 0; i < 3000; ++i)
      turns.insert(turns.end(), {ask("q"), reply(std::string(10'000, 'a'))});
    write_file("large.jsonl", messages_jsonl(turns));
  }
  /// Tries until the program is caught while it writes.
  static void end_by(int signal) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      if (ended_while_it_wrote(signal)) return;
    }
    ADD_FAILURE() << "the program was never caught while it wrote";
  }
};

TEST_F(Interrupted, AKillInTheMiddleLeavesNoPartOfAConversation) {
  end_by(SIGKILL);
  EXPECT_FALSE(fs::is_empty("out"));  // nothing can remove the temporary files then
  EXPECT_EQ(shell("$tool large.jsonl --out-dir out").status, 0);
  ASSERT_EQ(saved_in("out").size(), 1u);
  EXPECT_GT(fs::file_size(saved_in("out")[0]), 30'000'000u);
}

TEST_F(Interrupted, WhatCanBeCaughtLeavesNothing) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    end_by(signal);
    expect_nothing_left("out");
  }
}

TEST_F(Interrupted, WhatIsIgnoredStaysIgnored) {
  EXPECT_EQ(shell("trap '' HUP; $tool large.jsonl --out-dir out & program=$!;"
                  "while [ -z \"$(ls -A out 2>/dev/null)\" ]; do :; done; kill -HUP $program; wait "
                  "$program")
                .status,
            0);
  EXPECT_EQ(saved_in("out").size(), 1u);
}

TEST_F(Save, AFileThatIsNamedIsNeverOverwritten) {
  write_file("kept.md", "mine");
  const Result run = shell("$tool s.jsonl -o kept.md");
  EXPECT_EQ(run.status, 4);
  EXPECT_THAT(run.err, HasSubstr("'kept.md' exists and is never overwritten"));
  EXPECT_EQ(contents("kept.md"), "mine");
  EXPECT_EQ(shell("$tool s.jsonl -o new/name.md").out, "new/name.md\n");
  EXPECT_TRUE(fs::exists("new/name.md"));
}

TEST_F(Save, TheJsonBesideItIsLossless) {
  write_file("s.jsonl", claude_jsonl({ask("\n q \n"), reply("a\n\n")}));
  write_file("cc_dialogue/cc_20251016_184038.json", "mine");
  EXPECT_EQ(shell("$tool s.jsonl --json" + fixed_time).out,
            "cc_dialogue/cc_20251016_184038_2.md\n");
  const Json json = Json::parse(contents("cc_dialogue/cc_20251016_184038_2.json"));
  EXPECT_EQ(json["messages"][0]["text"], "\n q \n");
  EXPECT_EQ(json["messages"][1]["role"], "assistant");
  EXPECT_EQ(json["messages"][1]["text"], "a\n\n");
  EXPECT_EQ(json["id"], "s");
  EXPECT_EQ(contents("cc_dialogue/cc_20251016_184038.json"), "mine");
}

TEST_F(Save, TheRoundThatAsksToSaveIsLeftOutOnRequest) {
  write_file("s.jsonl", claude_jsonl({ask("/dialogue_save first"), reply("a"), ask("q"),
                                      ask("/dialogue_save"), reply("saving")}));
  EXPECT_THAT(shell("$tool s.jsonl -o -").out,
              HasSubstr("### 问题 3\n用户：/dialogue_save  \n助手：saving\n"));
  EXPECT_THAT(
      shell("$tool s.jsonl -o - --exclude-self").out,
      AllOf(HasSubstr("用户：/dialogue_save first"), EndsWith("### 问题 2\n用户：q  \n助手：\n")));
}

TEST_F(Save, SecretsAreToldOfAndLeftOutOnRequest) {
  const std::string token = "ghp_" + std::string(36, 'A'),
                    key = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----";
  write_file("s.jsonl",
             claude_jsonl({ask("use " + token + "."),
                           reply("no task-" + std::string(50, 'a') + "\n" + key + "\nend")}));
  const Result kept = shell("$tool s.jsonl -o -");
  EXPECT_THAT(kept.out, HasSubstr("use " + token + "."));
  EXPECT_THAT(kept.err, HasSubstr("2 keys or tokens"));
  const Result redacted = shell("$tool s.jsonl --redact --json -o r.md");
  for (const char* file : {"r.md", "r.json"}) {
    EXPECT_THAT(contents(file), AllOf(HasSubstr("use [REDACTED:GITHUB_TOKEN]."),
                                      HasSubstr("[REDACTED:PRIVATE_KEY]"), HasSubstr("no task-aaa"),
                                      Not(HasSubstr("AAAA"))));
  }
}

TEST_F(Save, SecretsAreFoundInTitlesAndWhereverTheyBeginAndEnd) {
  const std::string long_part(30, 'a'),
      token = "eyJ" + long_part + "." + long_part + "." + long_part;
  const std::string slack = "xoxz-" + std::string(20, '1');
  write_file(
      "c.json",
      chatgpt_export(
          {ask("My token is " + token + ". And " + slack),
           reply("KEY=x\\n-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n")}));
  Json json = Json::parse(contents("c.json"));
  json[0]["title"] = "About " + slack;
  write_file("c.json", json.dump());
  const Result run = shell("$tool c.json --redact --json -o r.md");
  for (const std::string& text :
       {run.err, contents("r.md"), contents("r.json"), shell("$tool c.json --redact --list").out}) {
    EXPECT_THAT(text,
                AllOf(Not(HasSubstr("aaaaa")), Not(HasSubstr("11111")), Not(HasSubstr("AAAA"))));
  }
  EXPECT_THAT(contents("r.md"), HasSubstr("is [REDACTED:JWT]. And [REDACTED:SLACK_TOKEN]"));
  EXPECT_THAT(run.err, HasSubstr("About [REDACTED:SLACK_TOKEN]"));
}

TEST_F(Save, LookingForSecretsTakesLittleTime) {
  std::string hostile;
  for (int i = 0; i < 500'000; ++i) hostile += "-eyJ";
  write_file("h.jsonl", messages_jsonl({ask("q"), reply(hostile)}));
  EXPECT_EQ(shell("timeout 20 $tool h.jsonl --redact").status, 0);
}

TEST_F(Save, AnAnswerBeforeAnyQuestionIsKept) {
  write_file("s.jsonl", messages_jsonl({reply("hello"), ask("q")}));
  const Result run = shell("$tool s.jsonl -o -");
  EXPECT_THAT(
      run.out,
      HasSubstr("### 问题 1\n用户：  \n助手：hello\n\n---\n\n### 问题 2\n用户：q  \n助手：\n"));
  EXPECT_THAT(run.err, HasSubstr("round 1 has no question"));
}

TEST_F(Save, AHookNamesTheTranscriptTheFolderOrTheId) {
  fs::create_directories("elsewhere");
  const std::string here = fs::current_path().string();
  const auto hook = [&](const Json& json, const std::string& options = "") {
    write_file("hook.json", json.dump());
    return shell("cd / && $tool --hook" + options + fixed_time + "< " + here + "/hook.json");
  };
  const Result by_file =
      hook({{"session_id", "s"}, {"transcript_path", here + "/s.jsonl"}, {"cwd", here}});
  EXPECT_EQ(by_file.out, here + "/cc_dialogue/cc_20251016_184038.md\n") << by_file.err;
  write_file(claude_folder(home, ".") / "abc.jsonl", claude_jsonl({ask("by id")}));
  const Result by_id =
      hook({{"session_id", "abc"}, {"transcript_path", nullptr}, {"cwd", here}}, " -o -");
  EXPECT_THAT(by_id.out, HasSubstr("用户：by id"));
  const Result by_root = hook({{"workspace_roots", {here}}}, " -o -");
  EXPECT_THAT(by_root.out, HasSubstr("用户：by id"));
  EXPECT_EQ(shell("echo nonsense | $tool --hook").status, 4);
  for (const char* wrong : {"", " --nope", " --workspace ''", " --time noon"})
    EXPECT_EQ(shell(std::string("$tool --hook") + wrong + " </dev/null").status, 4) << wrong;
}

TEST_F(Save, AHookOfAnEmptySessionIsNoError) {
  const std::string here = fs::current_path().string();
  write_file(claude_folder(home, ".") / "other.jsonl", claude_jsonl({ask("another session")}));
  write_file("mode.jsonl", R"({"type":"mode","mode":"normal","sessionId":"m"})"
                           "\n");
  write_file(
      "snapshot.jsonl",
      R"({"type":"file-history-snapshot","messageId":"m","snapshot":{},"isSnapshotUpdate":false})"
      "\n");
  write_file("nothing.jsonl", "");
  write_file("exit.jsonl", claude_jsonl({ask("<command-name>/exit</command-name>")}));
  for (const Json& json : {Json{{"conversation_id", "none"}, {"workspace_roots", {here}}},
                           Json{{"session_id", "none"}, {"cwd", here}},
                           Json{{"transcript_path", here + "/never-written.jsonl"}, {"cwd", here}},
                           Json{{"transcript_path", here + "/mode.jsonl"}, {"cwd", here}},
                           Json{{"transcript_path", here + "/exit.jsonl"}, {"cwd", here}},
                           Json{{"transcript_path", here + "/snapshot.jsonl"}, {"cwd", here}},
                           Json{{"transcript_path", here + "/nothing.jsonl"}, {"cwd", here}}}) {
    write_file("hook.json", json.dump());
    EXPECT_EQ(shell("$tool --hook < hook.json").status, 0) << json;
    expect_nothing_left("cc_dialogue");
  }
}

TEST_F(Save, TheListIsForPeopleAndForPrograms) {
  const fs::path store = claude_folder(home, ".");
  write_file(store / "aaaa.jsonl", claude_jsonl({ask("first line\nsecond")}) +
                                       R"({"type":"summary","summary":"Summed up","leafUuid":"x"})"
                                       "\n");
  write_file(store / "bbbb.jsonl", claude_jsonl({ask("first line\nsecond")}));
  const Result list = shell("$tool --list");
  EXPECT_THAT(list.out, AllOf(HasSubstr("claude    aaaa  Summed up\n"),
                              HasSubstr("claude    bbbb  first line\n")));
  const Json json = Json::parse(shell("$tool --list --json").out);
  ASSERT_EQ(json.size(), 2u);
  for (const char* key : {"format", "id", "title", "file", "updated"})
    EXPECT_TRUE(json[0].contains(key)) << key;
}

TEST_F(Save, HelpNamesEveryOption) {
  const Result run = shell("$tool --help");
  EXPECT_EQ(run.status, 0);
  for (const char* option :
       {"--from",   "--workspace", "--session",  "--list",     "--out-dir",    "--output",
        "--time",   "--utc",       "--commands", "--branches", "--sidechains", "--exclude-self",
        "--redact", "--raw",       "--strict",   "--json",     "--final-rule", "--hook",
        "claude",   "cursor",      "chatgpt",    "messages"}) {
    EXPECT_THAT(run.out, HasSubstr(option));
  }
}

TEST_F(Save, NothingDependsOnStandardError) {
  for (const char* closed : {"2>&-", ">out.txt 2>/dev/full", "2>&1 >out.txt | true"}) {
    fs::remove_all("cc_dialogue");
    EXPECT_EQ(shell(std::string("$tool s.jsonl ") + closed).status, 0) << closed;
    ASSERT_EQ(saved_in("cc_dialogue").size(), 1u) << closed;
    EXPECT_THAT(contents(saved_in("cc_dialogue")[0]), Not(HasSubstr("dialogue-save:"))) << closed;
  }
}

}  // namespace
