// Which session of Claude Code is meant: by the folder, its name, and what the files say.
#include "claude_session.hpp"

#include <gmock/gmock.h>

namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
namespace fs = std::filesystem;

TEST_F(Claude, TheNewestSessionOfTheFolderIsFound) {
  const fs::path store = claude_folder(home, ".");
  write_file(store / "aaaa-old.jsonl", claude_jsonl({ask("old")}));
  write_file(store / "bbbb-new.jsonl", claude_jsonl({ask("new")}));
  write_file(store / "cccc-empty.jsonl", claude_jsonl({}));
  write_file(store / "agent-12345678.jsonl", claude_jsonl({ask("a subagent")}));
  write_file(home / ".claude/projects/-other/dddd.jsonl", claude_jsonl({ask("elsewhere")}));
  shell("touch -d '2025-01-01' " + (store / "aaaa-old.jsonl").string());
  EXPECT_THAT(shell("$tool -o -").out, HasSubstr("用户：new"));
  EXPECT_THAT(shell("$tool -o -").err, HasSubstr("bbbb-new"));
  EXPECT_THAT(shell("$tool -o - --session aa").out, HasSubstr("用户：old"));
  EXPECT_THAT(shell("$tool -o - --session dd").out, HasSubstr("用户：elsewhere"));
  EXPECT_THAT(shell("CLAUDE_CODE_SESSION_ID=aaaa-old $tool -o -").out, HasSubstr("用户：old"));
  EXPECT_THAT(shell("cd / && $tool -o - --workspace " + fs::current_path().string()).out,
              HasSubstr("用户：new"));
}

TEST_F(Claude, AFolderWithAVeryLongPathIsFoundByWhatItsFilesSay) {
  fs::path deep = fs::current_path();
  while (deep.string().size() < 230) deep /= "a-rather-long-name";
  fs::create_directories(deep);
  const std::string cut = claude_folder(home, deep).filename().string().substr(0, 200);
  ClaudeSession session;
  write_file(home / ".claude/projects" / (cut + "-1a2b3c") / "s.jsonl",
             session.add("user", {{"content", "deep"}}, {{"cwd", deep.string()}}).text());
  EXPECT_THAT(shell("$tool -o - --workspace " + deep.string()).out, HasSubstr("用户：deep"));
}

std::string session_in(const fs::path& folder, const std::string& question) {
  ClaudeSession session;
  return session.add("user", {{"content", question}}, {{"cwd", folder.string()}}).reply("a").text();
}

TEST_F(Claude, EveryUtf16UnitOfAPathIsOneDash) {
  // the folder's name is how Claude Code writes it, not how this program does
  const std::map<std::string, std::string> names = {
      {"项目", "--"}, {"ü b", "--b"}, {"p😀", "p--"}, {"e\u0301", "e-"}};
  for (const auto& [path, name] : names) {
    fs::create_directories(path);
    write_file(home / ".claude/projects" /
                   (claude_folder(home, ".").filename().string() + "-" + name) / "s.jsonl",
               claude_jsonl({ask("in " + path)}));
    EXPECT_THAT(shell("cd '" + path + "' && $tool -o -").out, HasSubstr("用户：in " + path))
        << path;
  }
}

TEST_F(Claude, AnotherFolderWhoseNameFoldsToTheSameIsAnotherProject) {
  for (const char* path : {"my-app", "my_app", "my app"}) fs::create_directories(path);
  const fs::path here = fs::current_path(), store = claude_folder(home, "my-app");
  write_file(store / "a.jsonl", session_in(here / "my-app", "about the dash"));
  write_file(store / "b.jsonl", "{\"type\":\"mode\",\"sessionId\":\"b\"}\n" +
                                    session_in(here / "my_app", "about the line"));
  shell("touch -d '2025-01-01' " + (store / "a.jsonl").string());
  EXPECT_THAT(shell("cd my-app && $tool -o -").out, HasSubstr("用户：about the dash"));
  EXPECT_THAT(shell("cd my_app && $tool -o -").out, HasSubstr("用户：about the line"));
  EXPECT_EQ(shell("cd 'my app' && $tool").status, 3);
  EXPECT_THAT(shell("cd my_app && $tool --list").out, testing::Not(HasSubstr("about the dash")));
  fs::create_directory_symlink("my_app", "link");
  EXPECT_THAT(shell("cd link && $tool -o -").out, HasSubstr("用户：about the line"));
}

TEST_F(Claude, SubAgentsFilesComeOnRequestWhereTheyBegan) {
  const auto at = [](int second) {
    return Json{{"timestamp", "2026-09-01T10:00:0" + std::to_string(second) + "Z"}};
  };
  const auto said = [](const char* text) {
    return Json{{"model", "m"}, {"content", {text_block(text)}}};
  };
  ClaudeSession session, agent;
  session.add("user", {{"content", "1"}}, at(1)).add("assistant", said("asking an agent"), at(2));
  session.add("assistant", said("it says yes"), at(6));
  Json side = at(3);
  side["isSidechain"] = true;
  agent.add("user", {{"content", "task"}}, side).add("assistant", said("yes"), side);
  write_file("s/subagents/agent-1.jsonl", agent.text());
  write_file("s/subagents/agent-1.meta.json", "{}");
  EXPECT_THAT(texts(session), testing::ElementsAre("Q:1", "A:asking an agent", "A:it says yes"));
  EXPECT_THAT(texts(session, {.sidechains = true}),
              testing::ElementsAre("Q:1", "A:asking an agent", "Q:task", "A:yes", "A:it says yes"));
}

TEST_F(Claude, ASubFolderBelongsToTheProjectAbove) {
  for (const char* path : {"src/deep", "other/.git", "other/src"}) fs::create_directories(path);
  write_file(claude_folder(home, ".") / "above.jsonl", claude_jsonl({ask("above")}));
  write_file(claude_folder(home, folder) / "many.jsonl",
             claude_jsonl({ask("in the folder of many projects")}));
  EXPECT_THAT(shell("cd src/deep && $tool -o -").out, HasSubstr("用户：above"));
  EXPECT_EQ(shell("cd other/src && $tool").status, 3);  // a repository of its own
  write_file(claude_folder(home, "src") / "nearer.jsonl", claude_jsonl({ask("nearer")}));
  write_file(claude_folder(home, "src/deep") / "empty.jsonl", claude_jsonl({}));
  EXPECT_THAT(shell("cd src/deep && $tool -o -").out, HasSubstr("用户：nearer"));
  EXPECT_EQ(shell("$tool --workspace other").status, 3);
  fs::remove(claude_folder(home, ".") / "above.jsonl");
  // the home is beside this folder: what is above it is no project
  EXPECT_EQ(shell("$tool").status, 3);
}

TEST_F(Claude, TheRunningSessionIsMeantWhereverItBegan) {
  fs::create_directories("src");
  write_file(claude_folder(home, "src") / "newest.jsonl", claude_jsonl({ask("newest")}));
  write_file(claude_folder(home, "/usr") / "running.jsonl", claude_jsonl({ask("running")}));
  const std::string running = "cd src && CLAUDE_CODE_SESSION_ID=running ";
  EXPECT_THAT(shell(running + "$tool -o -").out, HasSubstr("用户：running"));
  EXPECT_THAT(shell(running + "$tool -o - --workspace .").out, HasSubstr("用户：newest"));
  EXPECT_THAT(shell(running + "$tool --list").out, testing::Not(HasSubstr("running")));
}

TEST_F(Claude, ASessionOfNothingButCommandsIsMeantOnlyIfItIsNamed) {
  const fs::path store = claude_folder(home, ".");
  const std::string exit = "<command-name>/exit</command-name>\n<command-args></command-args>";
  write_file(store / "talk.jsonl", claude_jsonl({ask("/review a.py"), reply("fine")}));
  write_file(
      store / "exit.jsonl",
      claude_jsonl({ask(exit), ask("<local-command-stdout>See ya!</local-command-stdout>")}));
  shell("touch -d '2025-01-01' " + (store / "talk.jsonl").string());
  EXPECT_THAT(shell("$tool -o -").out, HasSubstr("用户：/review a.py"));
  EXPECT_THAT(shell("$tool -o - --session exit").out, HasSubstr("用户：/exit"));
  write_file(store / "path.jsonl", claude_jsonl({ask("/etc/hosts is empty, why?")}));
  EXPECT_THAT(shell("$tool -o -").out, HasSubstr("用户：/etc/hosts"));
}

}  // namespace
