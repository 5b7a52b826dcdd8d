// Memory that does not grow with the store: a database and a session with one very long line.
// DIALOGUE_SAVE_FULL_SIZE=1 makes them 1 GB, 300 MB and 50 MB; without it they are a tenth of that,
// and so are the limits beyond what the program needs by itself.
#include "program.hpp"
#include "stores.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <fstream>

namespace {

using testing::HasSubstr;

bool full() { return std::getenv("DIALOGUE_SAVE_FULL_SIZE") != nullptr; }
std::size_t megabytes(std::size_t at_full_size) {
  return at_full_size * (full() ? 1'000'000 : 100'000);
}
// GCC's names for it, and Clang's
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool sanitized = false;
#endif

/// 300 MB at full size; at a tenth of it, a tenth and 20 MB for program and libraries.
long limit_kib() { return full() ? 290'000 : 50'000; }

class Large : public InFolder {
 protected:
  static void expect_bounded(const std::string& command, const char* what) {
    const auto start = std::chrono::steady_clock::now();
    const Result run = shell("exec " + command);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_EQ(run.status, 0) << run.err;
    if (sanitized) {
      std::printf("%s: memory is not checked, since the sanitizer takes most of it\n", what);
    } else {
      EXPECT_LT(run.peak_kib, limit_kib());
    }
    std::printf("%s: %.2f s, at most %ld KiB of memory\n", what, seconds, run.peak_kib);
  }
};

TEST_F(Large, DatabaseIsReadInLittleMemory) {
  in_process([] {
    const std::string filler(100'000, 'x');
    CursorDatabase database("state.vscdb");
    database.run("PRAGMA synchronous=OFF; BEGIN");
    const std::size_t rows = megabytes(1000) / filler.size();
    for (std::size_t i = 0; i < rows; ++i) {
      database.put("cursorDiskKV",
                   (i % 2 ? "agentKv:blob:" : "bubbleId:other:") + std::to_string(i), filler);
    }
    for (int i = 0; i < 200; ++i)
      database.put_composer("c-" + std::to_string(i), {ask("q"), reply("a" + std::to_string(i))});
    database.run("COMMIT");
  });
  ASSERT_GT(std::filesystem::file_size("state.vscdb"), megabytes(1000));
  expect_bounded("$tool state.vscdb --session c-77 -o out.md", "database");
  EXPECT_THAT(contents("out.md"), HasSubstr("用户：q  \n助手：a77\n"));
}

class LargeSession : public Large, public testing::WithParamInterface<const char*> {};

TEST_P(LargeSession, IsReadInLittleMemory) {
  const bool in_tool = std::string(GetParam()) == "tool";
  in_process([in_tool] {
    const std::string longest(megabytes(50), 'y'), filler(1'000'000, 'x');
    std::ofstream file("s.jsonl", std::ios::binary);
    const auto add = [&](const std::string& uuid, const std::string& type, const std::string& block,
                         const std::string& text) {
      file << R"({"type":")" << type << R"(","parentUuid":null,"uuid":")" << uuid
           << R"(","message":{"content":[{"type":")" << block << "\",\""
           << (block == "text" ? "text" : "content") << "\":\"" << text << "\"}]}}\n";
    };
    add("q", "user", "text", "the question");
    for (std::size_t i = 0; i < megabytes(300) / filler.size(); ++i) {
      // all of it in answers, or all of it in what tools returned
      add("x" + std::to_string(i), in_tool ? "user" : "assistant", in_tool ? "tool_result" : "text",
          filler);
    }
    add("longest", in_tool ? "user" : "assistant", in_tool ? "tool_result" : "text", longest);
    add("end", "assistant", "text", "the end");
  });
  expect_bounded("$tool s.jsonl -o out.md", GetParam());
  EXPECT_EQ(shell("tail -n 1 out.md").out, in_tool ? "助手：the end\n" : "the end\n");
  EXPECT_EQ(std::filesystem::file_size("out.md") > megabytes(350), !in_tool);
}

INSTANTIATE_TEST_SUITE_P(WithMost, LargeSession, testing::Values("tool", "answers"));

TEST_F(Large, AnArrayInOneLineIsReadMessageByMessage) {
  in_process([] {
    const std::string turn = nlohmann::json::parse(
                                 messages_array({ask("q"), reply(std::string(1'000'000, 'a'))}))
                                 .dump(),
                      inside = turn.substr(1, turn.rfind(']') - 1);
    std::ofstream file("m.json", std::ios::binary);
    file << "[";
    for (std::size_t i = 0; i < megabytes(300) / 1'000'000; ++i)
      file << (i > 0 ? "," : "") << inside;
    file << "]";
  });
  expect_bounded("$tool m.json -o out.md", "array of messages");
}

}  // namespace
