// A database that another program holds open: what it has written is seen, and nothing of it is
// changed.
#include "sqlite_store.hpp"

#include "program.hpp"
#include "stores.hpp"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

/// A process that opens the database, does something, and holds it until the end of the object.
class OtherProcess {
 public:
  OtherProcess(const std::string& file, const std::function<void(CursorDatabase&)>& work) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    child_ = ::fork();
    if (child_ == 0) {
      CursorDatabase database(file);
      work(database);
      if (::write(ready[1], "r", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~OtherProcess() { end(); }
  /// Kills it, as a crash would: a write-ahead log stays behind.
  void end() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = 0;
  }

 private:
  pid_t child_ = 0;
};

class Sqlite : public InFolder {};

void write_to_log(CursorDatabase& database) {
  database.run("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
  database.put_composer("in-the-log", {ask("only in the log"), reply("yes")});
}

TEST_F(Sqlite, RowsInTheLogOfARunningWriterAreSeenAndNothingChanges) {
  {
    CursorDatabase("state.vscdb").put_composer("old", {ask("in the file")}, {{"lastUpdatedAt", 1}});
  }
  OtherProcess writer("state.vscdb", [](CursorDatabase& database) {
    write_to_log(database);
    database.run("BEGIN IMMEDIATE; INSERT INTO ItemTable VALUES ('half', 'written')");
  });
  const std::string database = contents("state.vscdb"), log = contents("state.vscdb-wal");
  ASSERT_GT(log.size(), 4096u);
  ASSERT_EQ(database.find("only in the log"), database.npos);

  const Result run = shell("$tool state.vscdb -o -");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("用户：only in the log  \n助手：yes\n"));
  EXPECT_EQ(contents("state.vscdb"), database);
  EXPECT_EQ(contents("state.vscdb-wal"), log);
  writer.end();
  EXPECT_EQ(shell("sqlite3 state.vscdb 'PRAGMA journal_mode'").status == 0
                ? shell("sqlite3 state.vscdb 'PRAGMA journal_mode'").out
                : "wal\n",
            "wal\n");
}

TEST_F(Sqlite, TheLogOfAWriterThatCrashedIsReadAndStays) {
  OtherProcess("state.vscdb", write_to_log).end();
  fs::remove("state.vscdb-shm");
  const std::string database = contents("state.vscdb"), log = contents("state.vscdb-wal");
  EXPECT_THAT(shell("$tool state.vscdb -o -").out, HasSubstr("用户：only in the log"));
  EXPECT_EQ(contents("state.vscdb"), database);
  EXPECT_EQ(contents("state.vscdb-wal"), log);
}

TEST_F(Sqlite, InAFolderThatMustNotBeWrittenToACopyIsRead) {
  OtherProcess("state.vscdb", write_to_log).end();
  fs::remove("state.vscdb-shm");
  fs::permissions("state.vscdb", fs::perms(0444));
  fs::permissions("state.vscdb-wal", fs::perms(0444));
  fs::permissions(".", fs::perms(0555));
  const Result run = shell(bound_by_permissions + "$tool state.vscdb -o -");
  fs::permissions(".", fs::perms(0755));
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("用户：only in the log"));
  EXPECT_FALSE(fs::exists("state.vscdb-shm"));
}

TEST_F(Sqlite, BehindAnExclusiveLockTheLastCommittedStateIsRead) {
  { CursorDatabase("state.vscdb").put_composer("c", {ask("committed")}); }
  const OtherProcess writer("state.vscdb", [](CursorDatabase& database) {
    database.run("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM cursorDiskKV");
  });
  const Result run = shell("$tool state.vscdb -o -");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("用户：committed"));
}

TEST_F(Sqlite, DamagedDatabasesAreRefusedWithAdvice) {
  { CursorDatabase("state.vscdb").put_composer("c", {ask(std::string(200'000, 'x'))}); }
  const std::string whole = contents("state.vscdb");
  std::string scrambled = whole;
  for (std::size_t i = 4096; i < scrambled.size(); i += 7)
    scrambled[i] = static_cast<char>(scrambled[i] + 91);
  for (const std::string& bytes :
       {whole.substr(0, 16) + "nonsense", whole.substr(0, 6000), scrambled}) {
    write_file("damaged.vscdb", bytes);
    const Result run = shell("$tool damaged.vscdb");
    EXPECT_EQ(run.status, 4) << run.err;
    EXPECT_THAT(run.err, HasSubstr("[sqlite] cannot read"));
    EXPECT_TRUE(saved_in("cc_dialogue").empty());
  }
}

TEST_F(Sqlite, QueriesUseTheIndex) {
  { CursorDatabase("state.vscdb").put_composer("c", {ask("1")}); }
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open("state.vscdb", &database), SQLITE_OK);
  for (const std::string& query : {dialogue::SqliteStore::value_query("cursorDiskKV"),
                                   dialogue::SqliteStore::range_query("cursorDiskKV")}) {
    std::string plan;
    sqlite3_exec(
        database, ("EXPLAIN QUERY PLAN " + query).c_str(),
        [](void* text, int columns, char** values, char**) {
          return static_cast<std::string*>(text)->append(values[columns - 1]), 0;
        },
        &plan, nullptr);
    EXPECT_THAT(plan, HasSubstr("SEARCH cursorDiskKV USING INDEX"));
    EXPECT_THAT(plan, testing::Not(HasSubstr("TEMP B-TREE")));
  }
  sqlite3_close(database);
}

}  // namespace
