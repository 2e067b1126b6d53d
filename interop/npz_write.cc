// Writing half of npz.h.

#include <deque>
#include <set>

#include "interop/zip_source.h"
#include "tenon/interop/atomic_file.h"
#include "tenon/interop/npz.h"

namespace tenon::interop {
namespace {

// Sizes of the zip format (APPNOTE.TXT 4.3.7, 4.5.3).
constexpr uint64_t kLocalHeaderSize = 30;
constexpr uint64_t kZip64ExtraSize = 20;
constexpr uint64_t kExtraHeaderSize = 4;
constexpr uint16_t kAlignmentExtra = 0xD935;  // as Android's zipalign names its padding
constexpr uint64_t kAlignment = 64;
// 1980-01-01 00:00, the first moment zip knows, as NumPy writes: equal arrays give equal files.
constexpr uint16_t kDosTime = 0, kDosDate = 1 << 5 | 1;

// Members in the order they are added, with the position of the next one in the file while all are
// stored.
class NpzWriter {
 public:
  NpzWriter(AtomicFile& file, const NpzWriteOptions& options)
      : output_("write_npz", file), options_(options) {}

  void add(const NpzEntry& entry) {
    if (entry.name.empty() || entry.name.find('\0') != std::string::npos) {
      fail(ErrorCode::kInvalidArgument, "write_npz", "array ", static_cast<int64_t>(images_.size()),
           " has no name that zip can hold: give each array a name of at least one letter");
    }
    const std::string member = entry.name.ends_with(".npy") ? entry.name : entry.name + ".npy";
    if (!names_.insert(member).second) {
      fail(ErrorCode::kInvalidArgument, "write_npz", "two arrays are called '", entry.name,
           "': names must differ");
    }
    // view_as is for the arrays that need it: the others keep their dtype.
    const bool foreign = dtype_info(entry.array.dtype()).numpy_descr.empty();
    images_.push_back(npy_image("write_npz", entry.array,
                                {.view_as = foreign ? options_.view_as : std::string()}));
    data_bytes_ += images_.back().data_bytes().size();
    add_image(member, images_.back());
  }

  void finish() {
    if (options_.on_progress) {
      zip_register_progress_callback_with_state(
          output_.zip(), 0.005,
          [](zip_t*, double share, void* self) {
            auto* writer = static_cast<NpzWriter*>(self);
            writer->options_.on_progress(
                static_cast<uint64_t>(share * static_cast<double>(writer->data_bytes_)));
          },
          nullptr, this);
    }
    output_.finish();
  }

 private:
  void add_image(const std::string& member, const NpyImage& image) {
    zip_t* zip = output_.zip();
    const std::span<const std::byte> data = image.data_bytes();
    // libzip only reads from here, though its type says otherwise.
    const zip_buffer_fragment_t pieces[2] = {
        {reinterpret_cast<zip_uint8_t*>(const_cast<char*>(image.header.data())),
         image.header.size()},
        {reinterpret_cast<zip_uint8_t*>(const_cast<std::byte*>(data.data())), data.size()}};
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_fragment_create(pieces, 2, 0, &error);
    zip_error_fini(&error);
    if (source == nullptr)
      fail(ErrorCode::kOutOfMemory, "write_npz", "libzip has no memory for '", member, "'");
    const zip_int64_t added = zip_file_add(zip, member.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (added < 0) {
      zip_source_free(source);
      fail(ErrorCode::kInvalidArgument, "write_npz", "cannot add '", member,
           "': ", zip_error_text(zip));
    }
    const zip_uint64_t index = static_cast<zip_uint64_t>(added);
    check(zip_set_file_compression(zip, index, options_.compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                   0),
          member);
    check(zip_file_set_dostime(zip, index, kDosTime, kDosDate, 0), member);
    if (!options_.compressed) align(index, member, image.header.size() + data.size());
  }

  // Pads the local header so that the member's data, hence the array's, lies at a multiple of 64
  // and can be mapped.
  void align(zip_uint64_t index, const std::string& member, uint64_t size) {
    uint64_t start = next_ + kLocalHeaderSize + member.size() + kExtraHeaderSize;
    if (size >= UINT32_MAX) start += kZip64ExtraSize;
    const uint64_t padding = (kAlignment - start % kAlignment) % kAlignment;
    const zip_uint8_t zeros[kAlignment] = {};
    check(zip_file_extra_field_set(output_.zip(), index, kAlignmentExtra, ZIP_EXTRA_FIELD_NEW,
                                   zeros, static_cast<zip_uint16_t>(padding), ZIP_FL_LOCAL),
          member);
    next_ = start + padding + size;
  }

  void check(int result, const std::string& member) {
    if (result != 0)
      fail(ErrorCode::kIo, "write_npz", "cannot add '", member,
           "': ", zip_error_text(output_.zip()));
  }

  std::deque<NpyImage> images_;  // libzip reads them in finish()
  ZipOutput output_;
  NpzWriteOptions options_;
  std::set<std::string> names_;
  uint64_t next_ = 0;
  uint64_t data_bytes_ = 0;
};

}  // namespace

void write_npz(const std::string& path, const std::vector<NpzEntry>& arrays,
               const NpzWriteOptions& options) {
  AtomicFile file("write_npz", path);
  if (arrays.empty()) {
    // libzip writes no empty archive; np.savez does: an end record and nothing else.
    const char end[22] = {'P', 'K', 5, 6};
    file.write(std::string_view(end, sizeof(end)));
  } else {
    NpzWriter writer(file, options);
    for (const NpzEntry& entry : arrays) writer.add(entry);
    writer.finish();
  }
  file.commit();
}

}  // namespace tenon::interop
