// Saving: names that are never taken twice, files that are whole or not there, and every kind of bad input.
#include "program.hpp"
#include "stores.hpp"

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

class Save : public InFolder {
 protected:
  Save() { write_file("s.jsonl", claude_jsonl({ask("q"), reply("a")})); }
  /// No saved conversation and no temporary file.
  static void expect_nothing_left(const fs::path& place) {
    std::error_code error;
    EXPECT_TRUE(!fs::exists(place, error) || fs::is_empty(place)) << place;
  }
};
class Refuses : public Save {};

TEST_F(Save, TwoRunsInOneSecondGiveTwoFiles) {
  for (const char* name : {"", "_2", "_3"}) {
    EXPECT_EQ(shell("$tool s.jsonl" + fixed_time).out, std::string("cc_dialogue/cc_20251016_184038") + name + ".md\n");
  }
  EXPECT_EQ(shell("for i in 1 2 3 4 5 6 7 8; do $tool s.jsonl" + fixed_time + "& done; wait").status, 0);
  EXPECT_EQ(saved_in("cc_dialogue").size(), 11u);
  for (const fs::path& file : saved_in("cc_dialogue")) EXPECT_EQ(contents(file), contents("cc_dialogue/cc_20251016_184038.md"));
}

TEST_F(Save, AKillInTheMiddleLeavesNoPartOfAConversation) {
  Turns turns;
  for (int i = 0; i < 3000; ++i) turns.insert(turns.end(), {ask("q"), reply(std::string(10'000, 'a'))});
  write_file("large.jsonl", messages_jsonl(turns));
  bool in_the_middle = false;
  for (int attempt = 0; attempt < 20 && !in_the_middle; ++attempt) {
    fs::remove_all("out");
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl(DIALOGUE_SAVE_PROGRAM, "dialogue-save", "large.jsonl", "--out-dir", "out", nullptr);
      ::_exit(127);
    }
    std::error_code error;
    const auto has_begun = [&] {
      for (const auto& entry : fs::directory_iterator("out", error)) {
        if (fs::file_size(entry, error) > 0) return true;
      }
      return false;
    };
    while (!has_begun() && ::waitpid(child, nullptr, WNOHANG) == 0) {
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    in_the_middle = saved_in("out").empty() && !fs::is_empty("out");
  }
  EXPECT_TRUE(in_the_middle) << "the program was never caught while it wrote";
  EXPECT_EQ(shell("$tool large.jsonl --out-dir out").status, 0);
  ASSERT_EQ(saved_in("out").size(), 1u);
  EXPECT_GT(fs::file_size(saved_in("out")[0]), 30'000'000u);
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
  EXPECT_EQ(shell("$tool s.jsonl --json" + fixed_time).out, "cc_dialogue/cc_20251016_184038_2.md\n");
  const Json json = Json::parse(contents("cc_dialogue/cc_20251016_184038_2.json"));
  EXPECT_EQ(json["messages"][0]["text"], "\n q \n");
  EXPECT_EQ(json["messages"][1]["role"], "assistant");
  EXPECT_EQ(json["messages"][1]["text"], "a\n\n");
  EXPECT_EQ(json["id"], "s");
  EXPECT_EQ(contents("cc_dialogue/cc_20251016_184038.json"), "mine");
}

TEST_F(Save, TheRoundThatAsksToSaveIsLeftOutOnRequest) {
  write_file("s.jsonl",
             claude_jsonl({ask("/dialogue_save first"), reply("a"), ask("q"), ask("/dialogue_save"), reply("saving")}));
  EXPECT_THAT(shell("$tool s.jsonl -o -").out, HasSubstr("### 问题 3\n用户：/dialogue_save  \n助手：saving\n"));
  EXPECT_THAT(shell("$tool s.jsonl -o - --exclude-self").out,
              AllOf(HasSubstr("用户：/dialogue_save first"), EndsWith("### 问题 2\n用户：q  \n助手：\n")));
}

TEST_F(Save, SecretsAreToldOfAndLeftOutOnRequest) {
  const std::string token = "ghp_" + std::string(36, 'A'),
                    key = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----";
  write_file("s.jsonl",
             claude_jsonl({ask("use " + token + "."), reply("no task-" + std::string(50, 'a') + "\n" + key + "\nend")}));
  const Result kept = shell("$tool s.jsonl -o -");
  EXPECT_THAT(kept.out, HasSubstr("use " + token + "."));
  EXPECT_THAT(kept.err, HasSubstr("2 keys or tokens"));
  const Result redacted = shell("$tool s.jsonl --redact --json -o r.md");
  for (const char* file : {"r.md", "r.json"}) {
    EXPECT_THAT(contents(file), AllOf(HasSubstr("use [REDACTED:GITHUB_TOKEN]."), HasSubstr("[REDACTED:PRIVATE_KEY]"),
                                      HasSubstr("no task-aaa"), Not(HasSubstr("AAAA"))));
  }
}

TEST_F(Save, SecretsAreFoundInTitlesAndWhereverTheyBeginAndEnd) {
  const std::string long_part(30, 'a'), token = "eyJ" + long_part + "." + long_part + "." + long_part;
  const std::string slack = "xoxz-" + std::string(20, '1');
  write_file("c.json", chatgpt_export({ask("My token is " + token + ". And " + slack),
                                       reply("KEY=x\\n-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n")}));
  Json json = Json::parse(contents("c.json"));
  json[0]["title"] = "About " + slack;
  write_file("c.json", json.dump());
  const Result run = shell("$tool c.json --redact --json -o r.md");
  for (const std::string& text : {run.err, contents("r.md"), contents("r.json"), shell("$tool c.json --redact --list").out}) {
    EXPECT_THAT(text, AllOf(Not(HasSubstr("aaaaa")), Not(HasSubstr("11111")), Not(HasSubstr("AAAA"))));
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
  EXPECT_THAT(run.out, HasSubstr("### 问题 1\n用户：  \n助手：hello\n\n---\n\n### 问题 2\n用户：q  \n助手：\n"));
  EXPECT_THAT(run.err, HasSubstr("round 1 has no question"));
}

TEST_F(Save, AHookNamesTheTranscriptTheFolderOrTheId) {
  fs::create_directories("elsewhere");
  const std::string here = fs::current_path().string();
  const auto hook = [&](const Json& json, const std::string& options = "") {
    write_file("hook.json", json.dump());
    return shell("cd / && $tool --hook" + options + fixed_time + "< " + here + "/hook.json");
  };
  const Result by_file = hook({{"session_id", "s"}, {"transcript_path", here + "/s.jsonl"}, {"cwd", here}});
  EXPECT_EQ(by_file.out, here + "/cc_dialogue/cc_20251016_184038.md\n") << by_file.err;
  write_file(claude_folder(home, ".") / "abc.jsonl", claude_jsonl({ask("by id")}));
  const Result by_id = hook({{"session_id", "abc"}, {"transcript_path", nullptr}, {"cwd", here}}, " -o -");
  EXPECT_THAT(by_id.out, HasSubstr("用户：by id"));
  const Result by_root = hook({{"workspace_roots", {here}}}, " -o -");
  EXPECT_THAT(by_root.out, HasSubstr("用户：by id"));
  EXPECT_EQ(hook({{"conversation_id", "none"}, {"workspace_roots", {here}}}).status, 3);
  EXPECT_EQ(shell("echo nonsense | $tool --hook").status, 4);
  for (const char* wrong : {"", " --nope", " --workspace ''", " --time noon"})
    EXPECT_EQ(shell(std::string("$tool --hook") + wrong + " </dev/null").status, 4) << wrong;
}

TEST_F(Save, TheListIsForPeopleAndForPrograms) {
  const fs::path store = claude_folder(home, ".");
  write_file(store / "aaaa.jsonl", claude_jsonl({ask("first line\nsecond")}) +
                                       R"({"type":"summary","summary":"Summed up","leafUuid":"x"})"
                                       "\n");
  write_file(store / "bbbb.jsonl", claude_jsonl({ask("first line\nsecond")}));
  const Result list = shell("$tool --list");
  EXPECT_THAT(list.out, AllOf(HasSubstr("claude    aaaa  Summed up\n"), HasSubstr("claude    bbbb  first line\n")));
  const Json json = Json::parse(shell("$tool --list --json").out);
  ASSERT_EQ(json.size(), 2u);
  for (const char* key : {"format", "id", "title", "file", "updated"}) EXPECT_TRUE(json[0].contains(key)) << key;
}

TEST_F(Save, HelpNamesEveryOption) {
  const Result run = shell("$tool --help");
  EXPECT_EQ(run.status, 0);
  for (const char* option :
       {"--from",       "--workspace", "--session",    "--list",         "--out-dir", "--output", "--time",   "--utc",
        "--commands",   "--branches",  "--sidechains", "--exclude-self", "--redact",  "--raw",    "--strict", "--json",
        "--final-rule", "--hook",      "claude",       "cursor",         "chatgpt",   "messages"}) {
    EXPECT_THAT(run.out, HasSubstr(option));
  }
}

TEST_F(Refuses, WrongCommandLines) {
  for (const char* options :
       {"--from nothing", "--branches some", "--unknown", "s.jsonl --workspace .", "s.jsonl -o x.md --out-dir y",
        "s.jsonl --time noon", "s.jsonl --json -o -", "s.jsonl --json -o new/x.json", "--workspace ''",
        "--workspace=", "s.jsonl --time '2025-13-01 00:00:00'"}) {
    EXPECT_EQ(shell(std::string("$tool ") + options).status, 2) << options;
  }
  write_file("m.jsonl", messages_jsonl({ask("q")}));
  const Result run = shell("$tool m.jsonl --time=start");
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("the conversation has none"));
  EXPECT_FALSE(fs::exists("new"));
  expect_nothing_left("cc_dialogue");
}

TEST_F(Refuses, ToSaveWhereThereIsNothing) {
  const Result run = shell("$tool");
  EXPECT_EQ(run.status, 3);
  for (const char* place : {".claude/projects", ".config/Cursor/User", ".cursor/projects", "agent-transcripts"})
    EXPECT_THAT(run.err, HasSubstr(place));
  EXPECT_EQ(shell("$tool --list").status, 3);
  EXPECT_EQ(shell("$tool --session abc").status, 3);
  write_file("empty.jsonl", "");
  write_file("answers.jsonl", messages_jsonl({reply("only an answer")}));
  write_file("tools.jsonl", ClaudeSession().tool().text());
  for (const char* file : {"empty.jsonl", "answers.jsonl", "tools.jsonl"})
    EXPECT_EQ(shell(std::string("$tool ") + file).status, 3) << file;
  expect_nothing_left("cc_dialogue");
}

TEST_F(Refuses, AnAmbiguousId) {
  for (const char* id : {"abc1", "abc2"})
    write_file(claude_folder(home, ".") / (std::string(id) + ".jsonl"), claude_jsonl({ask(id)}));
  const Result run = shell("$tool --session abc");
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, AllOf(HasSubstr("abc1"), HasSubstr("abc2")));
  EXPECT_EQ(shell("$tool --session abc1 -o -").status, 0);
}

TEST_F(Refuses, FilesThatAreNoConversation) {
  write_file("text.txt", "hello");
  write_file("export.zip", "PK\x03\x04....");
  write_file("other.json", R"({"a": 1})");
  for (const char* file : {"text.txt", "export.zip", "other.json", "missing.jsonl", ".", "/dev/null"}) {
    EXPECT_EQ(shell(std::string("$tool ") + file).status, 4) << file;
  }
  EXPECT_THAT(shell("$tool export.zip").err, HasSubstr("unpack it"));
  write_file("half.json", messages_array({ask("q")}).substr(0, 60) + "\"");
  EXPECT_EQ(shell("$tool half.json").status, 4);
  write_file("private.jsonl", claude_jsonl({ask("q")}));
  fs::permissions("private.jsonl", fs::perms::none);
  EXPECT_EQ(shell("$tool private.jsonl -o -").status, ::geteuid() == 0 ? 0 : 4);  // nothing is private to root
}

TEST_F(Refuses, DamageOnlyWithStrict) {
  const std::string good = claude_jsonl({ask("q"), reply("a")});
  const std::string surrogate =
      R"({"type":"user","uuid":"x","message":{"content":"lone \ud83d and \ude00, pair \ud83d\ude00, escaped \\ud83d"}})"
      "\n";
  const std::string bytes =
      "{\"type\":\"user\",\"uuid\":\"y\",\"message\":{\"content\":\"latin \xE9, cut \xF0\x9F\x98, CESU "
      "\xED\xA0\xBD\xED\xB8\x80\"}}\n";
  write_file("d.jsonl", good + "{\"type\":\"user\", damaged\n" + surrogate + bytes);
  const Result run = shell("$tool d.jsonl -o -");
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, HasSubstr("用户：lone \uFFFD and \uFFFD, pair 😀, escaped \\ud83d  \n"));
  EXPECT_THAT(run.out, HasSubstr("用户：latin \uFFFD, cut \uFFFD\uFFFD\uFFFD, CESU 😀  \n"));
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("1 damaged record"), HasSubstr("6 invalid characters"), HasSubstr("1 characters repaired")));
  EXPECT_EQ(shell("$tool d.jsonl --strict").status, 5);
  expect_nothing_left("cc_dialogue");
  EXPECT_EQ(shell("$tool s.jsonl --strict -o -").status, 0);
}

TEST_F(Refuses, JsonThatIsNestedWithoutEnd) {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  write_file("d.jsonl", claude_jsonl({ask("q")}) +
                            R"({"type":"user","uuid":"x","message":{"content":[{"type":"text","text":"t"},)" + deep + "]}}\n");
  const Result run = shell("$tool d.jsonl -o -");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("1 damaged record"));
}

TEST_F(Refuses, AStoreThatIsDamagedButNotTheOthers) {
  write_file(cursor_folder(home) / "globalStorage/state.vscdb", "SQLite format 3\0 and then nothing of the kind");
  const Result alone = shell("$tool");
  EXPECT_EQ(alone.status, 4);
  EXPECT_THAT(alone.err, HasSubstr("state.vscdb"));
  write_file(claude_folder(home, ".") / "abc.jsonl", claude_jsonl({ask("from Claude")}));
  const Result run = shell("$tool -o -");
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, HasSubstr("用户：from Claude"));
  EXPECT_THAT(run.err, HasSubstr("left out: [sqlite]"));
}

TEST_F(Refuses, ToWriteWhereItCannot) {
  EXPECT_EQ(shell("$tool s.jsonl -o - >/dev/full").status, 4);
  EXPECT_EQ(shell("$tool s.jsonl -o /dev/full").status, 4);
  EXPECT_EQ(shell("$tool s.jsonl --out-dir s.jsonl").status, 4);
  EXPECT_EQ(shell("$tool s.jsonl --out-dir /proc").status, 4);
  EXPECT_EQ(shell("$tool --list s.jsonl >/dev/full").status, 4);
  EXPECT_EQ(shell("$tool s.jsonl >/dev/full").status, 4);
}

TEST_F(Save, NothingDependsOnStandardError) {
  for (const char* closed : {"2>&-", ">out.txt 2>/dev/full", "2>&1 >out.txt | true"}) {
    fs::remove_all("cc_dialogue");
    EXPECT_EQ(shell(std::string("$tool s.jsonl ") + closed).status, 0) << closed;
    ASSERT_EQ(saved_in("cc_dialogue").size(), 1u) << closed;
    EXPECT_THAT(contents(saved_in("cc_dialogue")[0]), Not(HasSubstr("dialogue-save:"))) << closed;
  }
}

TEST_F(Refuses, PipesWithoutWaiting) {
  EXPECT_EQ(shell("mkfifo pipe.jsonl").status, 0);
  for (const char* from : {"auto", "cursor"}) {
    const Result run = shell(std::string("timeout 10 $tool pipe.jsonl --from ") + from);
    EXPECT_EQ(run.status, 4) << from;
    EXPECT_THAT(run.err, HasSubstr("not a file"));
  }
  const fs::path store = claude_folder(home, "."), database = cursor_folder(home) / "globalStorage/state.vscdb";
  write_file(store / "abc.jsonl", claude_jsonl({ask("beside pipes")}));
  fs::create_directories(database.parent_path());
  for (const fs::path& pipe : {store / "pipe.jsonl", database}) EXPECT_EQ(shell("mkfifo '" + pipe.string() + "'").status, 0);
  EXPECT_THAT(shell("timeout 10 $tool -o -").out, HasSubstr("用户：beside pipes"));
}

TEST_F(Refuses, AFolderThatCannotBeReadButNotTheOthers) {
  fs::create_directories(home / ".claude");
  fs::create_symlink("projects", home / ".claude/projects");  // a circle
  const Result run = shell("$tool");
  EXPECT_EQ(run.status, 4);
  EXPECT_THAT(run.err, HasSubstr("[find] cannot read the folder"));
  const fs::path storage = cursor_folder(home) / "workspaceStorage/w";
  fs::create_directories(storage);
  for (const char* name : {"workspace.json", "state.vscdb"}) fs::create_symlink(name, storage / name);
  const Json stamp = {{"workspaceIdentifier", {{"uri", {{"fsPath", fs::current_path().string()}}}}}};
  CursorDatabase(cursor_folder(home) / "globalStorage/state.vscdb").put_composer("id\a\x1b[31m", {ask("of Cursor")}, stamp);
  EXPECT_THAT(shell("$tool -o -").out, HasSubstr("用户：of Cursor"));
  EXPECT_THAT(shell("$tool -o -").err, AllOf(HasSubstr("id  [31m"), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(shell("$tool --list").out, AllOf(HasSubstr("id  [31m"), Not(HasSubstr("\x1b"))));
}

TEST_F(Refuses, AReadOnlyFolder) {
  fs::create_directories("fixed");
  fs::permissions("fixed", fs::perms(0555));
  const Result run = shell(bound_by_permissions + "$tool s.jsonl --out-dir fixed");
  EXPECT_EQ(run.status, 4);
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("[write] cannot create a file there"), HasSubstr("fixed"), HasSubstr("Permission denied")));
  expect_nothing_left("fixed");
}

TEST_F(Refuses, AFullDisk) {
  write_file("large.jsonl", messages_jsonl({ask("q"), reply(std::string(300'000, 'a'))}));
  const Result run = shell("ulimit -f 100; $tool large.jsonl");  // a file of at most 100 blocks of 512 bytes
  EXPECT_EQ(run.status, 4);
  EXPECT_THAT(run.err, HasSubstr("[write] cannot write"));
  expect_nothing_left("cc_dialogue");
  fs::create_directories("small");
  if (shell("mount -t tmpfs -o size=64k tmpfs small").status != 0)
    GTEST_SKIP() << "a full file system needs the right to mount one; the file size limit was tested";
  EXPECT_EQ(shell("$tool large.jsonl --out-dir small").status, 4);
  expect_nothing_left("small");
  shell("umount small");
}

}  // namespace
