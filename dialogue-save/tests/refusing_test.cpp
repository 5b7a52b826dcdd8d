// Every kind of bad input: what is said, the exit status, and that nothing is left behind.
#include "saving.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

class Refuses : public Save {};

TEST_F(Refuses, WrongCommandLines) {
  for (const char* options :
       {"--from nothing", "--branches some", "--unknown", "s.jsonl --workspace .",
        "s.jsonl -o x.md --out-dir y", "s.jsonl --time noon", "s.jsonl --json -o -",
        "s.jsonl --json -o new/x.json", "--workspace ''", "--workspace=", "''", "--session ''",
        "s.jsonl -o ''", "s.jsonl --out-dir ''", "s.jsonl -o .", "s.jsonl -o new/",
        "s.jsonl --time '2025-13-01 00:00:00'"}) {
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
  for (const char* place :
       {".claude/projects", ".config/Cursor/User", ".cursor/projects", "agent-transcripts"})
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
  for (const char* file :
       {"text.txt", "export.zip", "other.json", "missing.jsonl", ".", "/dev/null"}) {
    EXPECT_EQ(shell(std::string("$tool ") + file).status, 4) << file;
  }
  EXPECT_THAT(shell("$tool export.zip").err, HasSubstr("unpack it"));
  const std::map<std::string, std::string> foreign = {
      {R"({"type":"session.start","data":{"sessionId":"s","producer":"copilot-agent"}})",
       "GitHub Copilot CLI"},
      {R"({"version":3,"requesterUsername":"me","responderUsername":"GitHub Copilot","requests":[]})",
       "GitHub Copilot in VS Code"},
      {R"({"kind":0,"v":{"requesterUsername":"me","responderUsername":"GitHub Copilot"}})",
       "GitHub Copilot in VS Code"},
      {R"([{"sessionId":"s","messageId":0,"type":"user","message":"q"}])", "Gemini CLI"},
      {R"({"sessionId":"s","projectHash":"h","messages":[]})", "Gemini CLI"},
      {R"({"sessionId":"s","title":"t","workspaceDirectory":"/p","history":[]})", "Continue"},
      {R"({"uuid":"u","parentUuid":null,"type":"user","message":{"role":"user","parts":[{"text":"q"}]}})",
       "Qwen Code"},
      {R"({"type":"session_start","id":"s"})"
       "\n"
       R"({"type":"message","message":{"role":"user","content":"q"}})",
       "Droid"},
      {"\x28\xB5\x2F\xFD....", "zstd -d"}};
  for (const auto& [bytes, name] : foreign) {
    write_file("foreign", bytes + "\n");
    const Result run = shell("$tool foreign");
    EXPECT_EQ(run.status, 4) << bytes;
    EXPECT_THAT(run.err, HasSubstr(name));
  }
  CursorDatabase("store.db")
      .run(
          "DROP TABLE ItemTable; DROP TABLE cursorDiskKV; CREATE TABLE meta (key); CREATE TABLE "
          "blobs (id)");
  EXPECT_THAT(shell("$tool store.db").err, HasSubstr("a store.db of Cursor's command line"));
  write_file("half.json", messages_array({ask("q")}).substr(0, 60) + "\"");
  EXPECT_EQ(shell("$tool half.json").status, 4);
  write_file("private.jsonl", claude_jsonl({ask("q")}));
  fs::permissions("private.jsonl", fs::perms::none);
  // nothing is private to root
  EXPECT_EQ(shell("$tool private.jsonl -o -").status, ::geteuid() == 0 ? 0 : 4);
}

TEST_F(Refuses, DamageOnlyWithStrict) {
  const std::string good = claude_jsonl({ask("q"), reply("a")});
  const std::string surrogate =
      R"({"type":"user","uuid":"x","message":{"content":"lone \ud83d and \ude00, pair \ud83d\ude00, escaped \\ud83d"}})"
      "\n";
  const std::string bytes =
      "{\"type\":\"user\",\"uuid\":\"y\",\"message\":{\"content\":\"latin \xE9, cut \xF0\x9F\x98, "
      "CESU "
      "\xED\xA0\xBD\xED\xB8\x80\"}}\n";
  write_file("d.jsonl", good + "{\"type\":\"user\", damaged\n" + surrogate + bytes);
  const Result run = shell("$tool d.jsonl -o -");
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, HasSubstr("用户：lone \uFFFD and \uFFFD, pair 😀, escaped \\ud83d  \n"));
  EXPECT_THAT(run.out, HasSubstr("用户：latin \uFFFD, cut \uFFFD\uFFFD\uFFFD, CESU 😀  \n"));
  EXPECT_THAT(run.err, AllOf(HasSubstr("1 damaged record"), HasSubstr("6 invalid characters"),
                             HasSubstr("1 characters repaired")));
  EXPECT_EQ(shell("$tool d.jsonl --strict").status, 5);
  expect_nothing_left("cc_dialogue");
  EXPECT_EQ(shell("$tool s.jsonl --strict -o -").status, 0);
}

TEST_F(Refuses, JsonThatIsNestedWithoutEnd) {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  write_file("d.jsonl",
             claude_jsonl({ask("q")}) +
                 R"({"type":"user","uuid":"x","message":{"content":[{"type":"text","text":"t"},)" +
                 deep + "]}}\n");
  const Result run = shell("$tool d.jsonl -o -");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("1 damaged record"));
}

TEST_F(Refuses, AStoreThatIsDamagedButNotTheOthers) {
  write_file(cursor_folder(home) / "globalStorage/state.vscdb",
             "SQLite format 3\0 and then nothing of the kind");
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

TEST_F(Refuses, PipesWithoutWaiting) {
  EXPECT_EQ(shell("mkfifo pipe.jsonl").status, 0);
  for (const char* from : {"auto", "cursor"}) {
    const Result run = shell(std::string("timeout 10 $tool pipe.jsonl --from ") + from);
    EXPECT_EQ(run.status, 4) << from;
    EXPECT_THAT(run.err, HasSubstr("not a file"));
  }
  const fs::path store = claude_folder(home, "."),
                 database = cursor_folder(home) / "globalStorage/state.vscdb";
  write_file(store / "abc.jsonl", claude_jsonl({ask("beside pipes")}));
  fs::create_directories(database.parent_path());
  for (const fs::path& pipe : {store / "pipe.jsonl", database})
    EXPECT_EQ(shell("mkfifo '" + pipe.string() + "'").status, 0);
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
  for (const char* name : {"workspace.json", "state.vscdb"})
    fs::create_symlink(name, storage / name);
  const Json stamp = {
      {"workspaceIdentifier", {{"uri", {{"fsPath", fs::current_path().string()}}}}}};
  CursorDatabase(cursor_folder(home) / "globalStorage/state.vscdb")
      .put_composer("id\a\x1b[31m", {ask("of Cursor")}, stamp);
  EXPECT_THAT(shell("$tool -o -").out, HasSubstr("用户：of Cursor"));
  EXPECT_THAT(shell("$tool -o -").err, AllOf(HasSubstr("id  [31m"), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(shell("$tool --list").out, AllOf(HasSubstr("id  [31m"), Not(HasSubstr("\x1b"))));
}

TEST_F(Refuses, AReadOnlyFolder) {
  fs::create_directories("fixed");
  fs::permissions("fixed", fs::perms(0555));
  const Result run = shell(bound_by_permissions + "$tool s.jsonl --out-dir fixed");
  EXPECT_EQ(run.status, 4);
  EXPECT_THAT(run.err, AllOf(HasSubstr("[write] cannot create a file there"), HasSubstr("fixed"),
                             HasSubstr("Permission denied")));
  expect_nothing_left("fixed");
  // in such a folder the one for conversations cannot be made
  const Result here = shell("cd fixed && " + bound_by_permissions + "$tool ../s.jsonl");
  EXPECT_EQ(here.status, 4);
  EXPECT_THAT(here.err, AllOf(HasSubstr("fixed/cc_dialogue"), HasSubstr("Permission denied")));
}

TEST_F(Refuses, AFullDisk) {
  write_file("large.jsonl", messages_jsonl({ask("q"), reply(std::string(300'000, 'a'))}));
  // a file of at most 100 blocks of 512 bytes
  const Result run = shell("ulimit -f 100; $tool large.jsonl");
  EXPECT_EQ(run.status, 4);
  EXPECT_THAT(run.err, HasSubstr("[write] cannot write"));
  expect_nothing_left("cc_dialogue");
  fs::create_directories("small");
  if (shell("mount -t tmpfs -o size=64k tmpfs small").status != 0)
    GTEST_SKIP()
        << "a full file system needs the right to mount one; the file size limit was tested";
  EXPECT_EQ(shell("$tool large.jsonl --out-dir small").status, 4);
  expect_nothing_left("small");
  shell("umount small");
}

}  // namespace
