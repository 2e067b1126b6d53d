#include "tenon/interop/npz.h"

#include <algorithm>
#include <map>
#include <utility>

#include "interop/zip_source.h"
#include "tenon/interop/gzip_reader.h"
#include "tenon/interop/mapped_file.h"

namespace tenon::interop {
namespace {

constexpr std::string_view kSuffix = ".npy";

std::string without_suffix(std::string_view name) {
  if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
  return std::string(name);
}

struct Member {
  zip_uint64_t index = 0;
  uint64_t size = 0;         // inflated, as the directory declares
  uint64_t packed_size = 0;  // in the archive; no more than the archive has
  bool stored = false;
};

// The inflated bytes of one member.
class MemberReader final : public ByteReader {
 public:
  MemberReader(ZipInput& input, std::string operation, std::string name, const Member& member)
      : ByteReader(std::move(operation), std::move(name)), input_(input), left_(member.size) {
    most_ = member.stored ? member.packed_size : most_inflated(member.packed_size);
    file_ = zip_fopen_index(input.zip(), member.index, 0);
    if (file_ == nullptr) {
      input.rethrow();
      refuse("cannot be opened: ", zip_error_text(input.zip()));
    }
  }
  ~MemberReader() override { zip_fclose(file_); }

  size_t read_some(std::span<std::byte> into) override {
    const zip_int64_t n = zip_fread(file_, into.data(), into.size());
    if (n < 0) {
      input_.rethrow();
      zip_error_t* error = zip_file_get_error(file_);
      if (zip_error_code_zip(error) == ZIP_ER_CRC) refuse("bad CRC-32: the data is damaged");
      refuse("cannot be read: ", zip_error_strerror(error));
    }
    const uint64_t read = static_cast<uint64_t>(n);
    if (read > left_) refuse("there are more bytes than the directory declares");
    left_ -= read;
    most_ -= std::min(read, most_);
    return read;
  }
  uint64_t remaining_at_most() const override { return std::min(left_, most_); }
  uint64_t declared_remaining() const { return left_; }

 private:
  ZipInput& input_;
  zip_file_t* file_ = nullptr;
  uint64_t left_;
  uint64_t most_ = 0;
};

}  // namespace

struct NpzReader::State {
  State(std::unique_ptr<SeekableReader> source, const FileReader* source_file,
        const NpzReadOptions& read_options)
      : bytes(std::move(source)), file(source_file), options(read_options), input(*bytes) {
    const zip_int64_t count = zip_get_num_entries(input.zip(), 0);
    for (zip_int64_t i = 0; i < count; ++i) add(static_cast<zip_uint64_t>(i));
  }

  void add(zip_uint64_t index) {
    zip_stat_t status;
    zip_stat_init(&status);
    constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                     ZIP_STAT_COMP_METHOD | ZIP_STAT_CRC |
                                     ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(input.zip(), index, 0, &status) != 0 ||
        (status.valid & kNeeded) != kNeeded) {
      bytes->refuse("the directory's entry ", index, " is incomplete");
    }
    const std::string full = status.name;
    if (full.ends_with('/') && status.size == 0) return;  // a folder
    const std::string name = without_suffix(full);
    if (name.empty()) bytes->refuse("the directory's entry ", index, " has no name");
    Member member;
    member.index = index;
    member.size = status.size;
    member.packed_size = std::min<uint64_t>(status.comp_size, bytes->size());
    member.stored = status.comp_method == ZIP_CM_STORE;
    if (status.encryption_method != ZIP_EM_NONE) {
      bytes->refuse("member '", full, "' is encrypted: decrypt it with a zip program");
    }
    if (!member.stored && status.comp_method != ZIP_CM_DEFLATE) {
      bytes->refuse("member '", full, "' is packed by method ", int{status.comp_method},
                    "; only stored and deflated members are read, as np.savez writes them");
    }
    if (member.stored && status.size != status.comp_size) {
      bytes->refuse("member '", full, "' is stored, yet declares ", status.size, " bytes in ",
                    status.comp_size);
    }
    if (!members.emplace(name, member).second) {
      bytes->refuse("two members are called '", name, "': which one is meant is unknown");
    }
    names.push_back(name);
  }

  const Member& find(std::string_view operation, const std::string& name) const {
    auto found = members.find(name);
    if (found == members.end()) found = members.find(without_suffix(name));
    if (found != members.end()) return found->second;
    std::string known;
    for (size_t i = 0; i < names.size() && i < 20; ++i) known += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > 20) known += ", ...";
    fail(ErrorCode::kInvalidArgument, operation, bytes->name(), ": '", name,
         "' is not a file in the archive, which has ", names.empty() ? "no arrays" : known);
  }

  std::string label(const std::string& name) const {
    return concat_text(bytes->name(), " member '", name, "'");
  }
  NpyHeaderRules rules() const {
    return {.void_as = options.void_as, .max_header_bytes = options.max_header_bytes};
  }

  std::unique_ptr<SeekableReader> bytes;
  const FileReader* file;  // what `bytes` is, or null
  NpzReadOptions options;
  ZipInput input;
  std::vector<std::string> names;
  std::map<std::string, Member> members;
  std::shared_ptr<const MappedFile> mapped;  // from the first map() on
};

NpzReader::NpzReader(const std::string& path, const NpzReadOptions& options) {
  auto file = std::make_unique<FileReader>("read_npz", path);
  const FileReader* borrowed = file.get();
  state_ = std::make_unique<State>(std::move(file), borrowed, options);
}

NpzReader::NpzReader(std::span<const std::byte> bytes, const NpzReadOptions& options,
                     const std::string& name)
    : state_(std::make_unique<State>(std::make_unique<MemoryReader>("read_npz", name, bytes),
                                     nullptr, options)) {}

NpzReader::NpzReader(NpzReader&&) noexcept = default;
NpzReader& NpzReader::operator=(NpzReader&&) noexcept = default;
NpzReader::~NpzReader() = default;

const std::vector<std::string>& NpzReader::names() const { return state_->names; }

bool NpzReader::contains(const std::string& name) const {
  return state_->members.contains(name) || state_->members.contains(without_suffix(name));
}

bool NpzReader::is_stored(const std::string& name) const {
  return state_->find("read_npz", name).stored;
}

NpyHeader NpzReader::header(const std::string& name) const {
  MemberReader reader(state_->input, "read_npz", state_->label(name),
                      state_->find("read_npz", name));
  return read_npy_header(reader, state_->rules());
}

NdArray NpzReader::read(const std::string& name) const {
  MemberReader reader(state_->input, "read_npz", state_->label(name),
                      state_->find("read_npz", name));
  const NpyHeader header = read_npy_header(reader, state_->rules());
  const uint64_t nbytes = static_cast<uint64_t>(header.nbytes);
  if (reader.declared_remaining() != nbytes) {
    reader.refuse("shape ", shape_text(header.shape), " of ", dtype_name(header.dtype), " takes ",
                  nbytes, " bytes, but the directory declares ", reader.declared_remaining());
  }
  check_inflated_size(reader, nbytes, state_->options.max_bytes);
  NdArray array = read_npy_data(reader, header);
  reader.expect_end("the directory declares fewer");  // where libzip compares the checksum, too
  return array;
}

NdArray NpzReader::map(const std::string& name, MapMode mode) const {
  State& state = *state_;
  const Member& member = state.find("map_npz", name);
  if (mode == MapMode::kReadWrite) {
    fail(
        ErrorCode::kUnsupported, "map_npz", state.label(name),
        ": a write into the archive would make its checksum wrong; map it copy-on-write, or read() "
        "it and write a new file");
  }
  if (state.file == nullptr) {
    fail(ErrorCode::kUnsupported, "map_npz", state.label(name),
         ": only a file can be mapped; call read()");
  }
  if (!member.stored) {
    fail(ErrorCode::kUnsupported, "map_npz", state.label(name),
         ": it is compressed; call read(), or write the file without compression");
  }
  // libzip alone interprets the archive; where it reads a member's first byte, there the member is.
  {
    MemberReader first(state.input, "map_npz", state.label(name), member);
    std::byte byte;
    first.read_exactly("first byte", {&byte, 1});
  }
  if (state.input.last_read_size() != 1) {  // a libzip that reads ahead
    fail(ErrorCode::kUnsupported, "map_npz", state.label(name),
         ": this libzip does not tell where; call read()");
  }
  const uint64_t offset = state.input.last_read_offset();
  // Read-only views share one map; each writable one has its own pages.
  std::shared_ptr<const MappedFile> file = state.mapped;
  if (file == nullptr || mode != MapMode::kRead) file = MappedFile::of(*state.file, mode);
  if (mode == MapMode::kRead) state.mapped = file;
  const std::span<const std::byte> all = file->bytes();
  if (offset > all.size() || member.size > all.size() - offset) {
    fail(ErrorCode::kFormat, "map_npz", state.label(name),
         ": its data is beyond the end of the file");
  }
  MemoryReader reader("map_npz", state.label(name), all.subspan(offset, member.size));
  const NpyHeader header = read_npy_header(reader, state.rules());
  if (reader.remaining_at_most() != static_cast<uint64_t>(header.nbytes)) {
    reader.refuse("shape ", shape_text(header.shape), " of ", dtype_name(header.dtype), " takes ",
                  header.nbytes, " bytes, but the directory declares ", reader.remaining_at_most());
  }
  return view_npy_data(reader, header,
                       all.subspan(offset + reader.position(), reader.remaining_at_most()), file,
                       mode);
}

std::vector<NpzEntry> read_npz(const std::string& path, const NpzReadOptions& options) {
  const NpzReader reader(path, options);
  std::vector<NpzEntry> out;
  for (const std::string& name : reader.names()) out.push_back({name, reader.read(name)});
  return out;
}

}  // namespace tenon::interop
