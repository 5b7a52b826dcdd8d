#include "sqlite_store.hpp"

#include "places.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace dialogue {
namespace {

namespace fs = std::filesystem;

constexpr int patience_ms = 2000;  // longer than any transaction; and there is still the copy

/// The file and what belongs to it, with sizes and times: the same before and after copying if no
/// one wrote meanwhile.
constexpr std::array<const char*, 3> parts = {"", "-wal", "-journal"};

std::string state_of(const fs::path& file) {
  std::string state;
  for (const char* part : parts) {
    std::error_code error;
    const fs::path path = file.string() + part;
    state += fmt::format("{} {};", fs::file_size(path, error),
                         fs::last_write_time(path, error).time_since_epoch().count());
  }
  return state;
}

/// As SQLite's file: names take it; a path may hold '?', '#' and '%'.
std::string uri_of(const fs::path& file, const char* mode) {
  std::string uri = "file:";
  for (const char c : fs::absolute(file).string()) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '/' || c == '.' || c == '_';
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return fmt::format("{}?mode={}", uri, mode);
}

std::string_view column(sqlite3_stmt* row, int index) {
  // as text, which is UTF-8 whatever the database's encoding, or as the bytes of a blob
  const void* data = sqlite3_column_type(row, index) == SQLITE_BLOB
                         ? sqlite3_column_blob(row, index)
                         : sqlite3_column_text(row, index);
  const int size = sqlite3_column_bytes(row, index);
  return data ? std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size))
              : std::string_view();
}

}  // namespace

/// A copy in a folder of its own, removed at the end.
class SqliteStore::Copy {
 public:
  explicit Copy(const fs::path& file) {
    std::string name = (fs::temp_directory_path() / "dialogue-save-XXXXXX").string();
    if (!::mkdtemp(name.data()))
      throw fs::filesystem_error("mkdtemp", name, std::error_code(errno, std::generic_category()));
    folder_ = name;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const std::string before = state_of(file);
      for (const char* part : parts) copy_part(file.string() + part, path().string() + part);
      if (state_of(file) == before) break;
    }
  }
  ~Copy() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  fs::path path() const { return folder_ / "copy"; }

 private:
  static void copy_part(const fs::path& from, const fs::path& to) {
    fs::remove(to);
    if (fs::exists(from)) fs::copy_file(from, to);
  }

  fs::path folder_;
};

void SqliteStore::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

SqliteStore::SqliteStore(const fs::path& file) : file_(file) {
  // opening a pipe would wait for whoever writes to it
  if (::access(file.c_str(), R_OK) != 0 || !regular(file)) fail(SQLITE_CANTOPEN);
  int code = open(file, false);
  const int reason = code & 0xFF;
  if (reason == SQLITE_BUSY || reason == SQLITE_LOCKED || reason == SQLITE_CANTOPEN ||
      reason == SQLITE_READONLY) {
    try {
      copy_ = std::make_unique<Copy>(file);
      code = open(copy_->path(), true);
    } catch (const fs::filesystem_error& error) {
      throw Failure(
          Exit::unreadable,
          fmt::format("[sqlite] '{}' can neither be opened nor copied; got {}; free some space in "
                      "the temporary folder, or close the program that uses it",
                      file.string(), error.what()));
    }
  }
  if (code != SQLITE_OK) fail(code);
}

SqliteStore::~SqliteStore() = default;

int SqliteStore::open(const fs::path& file, bool own_copy) {
  sqlite3* database = nullptr;
  // a copy is ours to recover from the journal that came along
  const std::string uri = uri_of(file, own_copy ? "rw" : "ro");
  const int code = sqlite3_open_v2(
      uri.c_str(), &database,
      (own_copy ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_URI, nullptr);
  database_.reset(database);
  if (code != SQLITE_OK) return code;
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_timeout(database, patience_ms);
  return try_query("SELECT count(*) FROM sqlite_master", "", "",
                   [](sqlite3_stmt*) { return true; });
}

int SqliteStore::try_query(const std::string& sql, const std::string& first,
                           const std::string& second, const Row& row) {
  sqlite3_stmt* prepared = nullptr;
  int code = sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &prepared, nullptr);
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(prepared, sqlite3_finalize);
  if (code != SQLITE_OK) return code;
  const int parameters = sqlite3_bind_parameter_count(prepared);
  if (parameters > 0)
    sqlite3_bind_text(prepared, 1, first.data(), static_cast<int>(first.size()), SQLITE_STATIC);
  if (parameters > 1)
    sqlite3_bind_text(prepared, 2, second.data(), static_cast<int>(second.size()), SQLITE_STATIC);
  while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
    if (!row(prepared)) return SQLITE_OK;
  }
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

void SqliteStore::query(const std::string& sql, const std::string& first, const std::string& second,
                        const Row& row) {
  if (const int code = try_query(sql, first, second, row); code != SQLITE_OK) fail(code);
}

void SqliteStore::fail(int code) const {
  const int reason = code & 0xFF;
  const bool damaged = reason == SQLITE_CORRUPT || reason == SQLITE_NOTADB;
  const bool locked = reason == SQLITE_BUSY || reason == SQLITE_LOCKED;
  throw Failure(
      Exit::unreadable,
      fmt::format("[sqlite] cannot read '{}'; got {}; {}", file_.string(), sqlite3_errstr(reason),
                  damaged  ? "make a copy and try 'sqlite3 COPY .recover', or take a backup of it"
                  : locked ? "close the program that uses it and try again"
                           : "check that you may read it and its folder"));
}

bool SqliteStore::has_table(const std::string& table) {
  bool found = false;
  query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1", table, "",
        [&](sqlite3_stmt*) { return found = true, false; });
  return found;
}

std::string SqliteStore::value_query(const std::string& table) {
  return fmt::format("SELECT key, value FROM {} WHERE key = ?1", table);
}

std::string SqliteStore::range_query(const std::string& table) {
  return fmt::format("SELECT key, value FROM {} WHERE key >= ?1 AND key < ?2 ORDER BY key", table);
}

std::optional<std::string> SqliteStore::value(const std::string& table, const std::string& key) {
  std::optional<std::string> found;
  query(value_query(table), key, "", [&](sqlite3_stmt* row) {
    if (sqlite3_column_type(row, 1) != SQLITE_NULL) found = column(row, 1);
    return false;
  });
  return found;
}

void SqliteStore::each(const std::string& table, const std::string& prefix,
                       const std::function<void(std::string_view, std::string_view)>& visit) {
  std::string end = prefix;
  ++end.back();  // the first text that no longer begins with the prefix
  query(range_query(table), prefix, end,
        [&](sqlite3_stmt* row) { return visit(column(row, 0), column(row, 1)), true; });
}

void SqliteStore::each_row(
    const std::string& table,
    const std::function<void(const std::map<std::string, std::string>&)>& visit) {
  query(fmt::format("SELECT * FROM {}", table), "", "", [&](sqlite3_stmt* row) {
    std::map<std::string, std::string> values;
    for (int i = 0; i < sqlite3_column_count(row); ++i) {
      if (sqlite3_column_type(row, i) != SQLITE_NULL)
        values.emplace(sqlite3_column_name(row, i), column(row, i));
    }
    return visit(values), true;
  });
}

}  // namespace dialogue
