#include "interop/zip_source.h"

#include <span>
#include <utility>

namespace tenon::interop {
namespace {

zip_int64_t not_supported(zip_error_t* error) {
  zip_error_set(error, ZIP_ER_OPNOTSUPP, 0);
  return -1;
}

// The new position of a seek command, or -1 with *error set.
zip_int64_t seek_target(void* data, zip_uint64_t size, uint64_t position, uint64_t end,
                        zip_error_t* error) {
  return zip_source_seek_compute_offset(position, end, data, size, error);
}

zip_int64_t report_size(void* data, zip_uint64_t size, uint64_t length, zip_error_t* error) {
  if (size < sizeof(zip_stat_t)) {
    zip_error_set(error, ZIP_ER_INVAL, 0);
    return -1;
  }
  auto* status = static_cast<zip_stat_t*>(data);
  zip_stat_init(status);
  status->size = length;
  status->valid |= ZIP_STAT_SIZE;
  return sizeof(zip_stat_t);
}

}  // namespace

std::string zip_error_text(zip_t* archive) { return zip_strerror(archive); }

std::string zip_error_text(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

ZipInput::ZipInput(SeekableReader& reader) : reader_(reader) {
  // To libzip a file of no bytes is an archive of no members; to its owner it is a write that
  // failed.
  if (reader.size() == 0)
    reader.refuse("cannot be opened as a zip archive (.npz): the file is empty");
  zip_error_init(&error_);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_function_create(&ZipInput::callback, this, &error);
  if (source != nullptr) {
    zip_ = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (zip_ == nullptr) zip_source_free(source);
  }
  const std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (zip_ != nullptr) return;
  zip_error_fini(&error_);
  rethrow();
  reader_.refuse("cannot be opened as a zip archive (.npz): ", text,
                 "; it is cut short, damaged or another format");
}

ZipInput::~ZipInput() {
  zip_discard(zip_);
  zip_error_fini(&error_);
}

void ZipInput::rethrow() {
  if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

zip_int64_t ZipInput::callback(void* self, void* data, zip_uint64_t size,
                               zip_source_cmd_t command) {
  auto* input = static_cast<ZipInput*>(self);
  try {
    return input->answer(data, size, command);
  } catch (...) {
    input->thrown_ = std::current_exception();
    zip_error_set(&input->error_, ZIP_ER_READ, 0);
    return -1;
  }
}

zip_int64_t ZipInput::answer(void* data, zip_uint64_t size, zip_source_cmd_t command) {
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      return zip_source_make_command_bitmap(
          ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
          ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, -1);
    case ZIP_SOURCE_OPEN:
      reader_.seek(0);
      return 0;
    case ZIP_SOURCE_READ:
      last_read_offset_ = reader_.position();
      last_read_size_ = size;
      return static_cast<zip_int64_t>(reader_.read_some({static_cast<std::byte*>(data), size}));
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:  // this object outlives the archive
      return 0;
    case ZIP_SOURCE_STAT:
      return report_size(data, size, reader_.size(), &error_);
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&error_, data, size);
    case ZIP_SOURCE_SEEK: {
      const zip_int64_t to = seek_target(data, size, reader_.position(), reader_.size(), &error_);
      if (to < 0) return -1;
      reader_.seek(static_cast<uint64_t>(to));
      return 0;
    }
    case ZIP_SOURCE_TELL:
      return static_cast<zip_int64_t>(reader_.position());
    default:
      return not_supported(&error_);
  }
}

ZipOutput::ZipOutput(std::string operation, AtomicFile& file)
    : operation_(std::move(operation)), file_(file) {
  zip_error_init(&error_);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_function_create(&ZipOutput::callback, this, &error);
  if (source != nullptr) {
    zip_ = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error);
    if (zip_ == nullptr) zip_source_free(source);
  }
  const std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (zip_ != nullptr) return;
  zip_error_fini(&error_);
  fail(ErrorCode::kIo, operation_, "libzip cannot start an archive: ", text);
}

ZipOutput::~ZipOutput() {
  if (zip_ != nullptr) zip_discard(zip_);
  zip_error_fini(&error_);
}

void ZipOutput::finish() {
  if (zip_close(zip_) == 0) {
    zip_ = nullptr;
    return;
  }
  if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
  fail(ErrorCode::kIo, operation_, "libzip cannot write the archive: ", zip_error_text(zip_));
}

zip_int64_t ZipOutput::callback(void* self, void* data, zip_uint64_t size,
                                zip_source_cmd_t command) {
  auto* output = static_cast<ZipOutput*>(self);
  try {
    return output->answer(data, size, command);
  } catch (...) {
    output->thrown_ = std::current_exception();
    zip_error_set(&output->error_, ZIP_ER_WRITE, 0);
    return -1;
  }
}

zip_int64_t ZipOutput::answer(void* data, zip_uint64_t size, zip_source_cmd_t command) {
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      // libzip writes only to what it could also read; it never reads a new archive.
      return zip_source_make_command_bitmap(
          ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
          ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS,
          ZIP_SOURCE_BEGIN_WRITE, ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE,
          ZIP_SOURCE_WRITE, ZIP_SOURCE_SEEK_WRITE, ZIP_SOURCE_TELL_WRITE, ZIP_SOURCE_REMOVE, -1);
    case ZIP_SOURCE_OPEN:
    case ZIP_SOURCE_READ:
    case ZIP_SOURCE_SEEK:
    case ZIP_SOURCE_TELL:
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
    case ZIP_SOURCE_REMOVE:
    case ZIP_SOURCE_COMMIT_WRITE:    // the caller's AtomicFile::commit
    case ZIP_SOURCE_ROLLBACK_WRITE:  // its destructor
      return 0;
    case ZIP_SOURCE_BEGIN_WRITE:
      position_ = 0;
      return 0;
    case ZIP_SOURCE_STAT:
      return report_size(data, size, 0, &error_);
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&error_, data, size);
    case ZIP_SOURCE_WRITE:
      file_.write_at(position_, {static_cast<const std::byte*>(data), size});
      position_ += size;
      return static_cast<zip_int64_t>(size);
    case ZIP_SOURCE_SEEK_WRITE: {
      const zip_int64_t to = seek_target(data, size, position_, file_.size(), &error_);
      if (to < 0) return -1;
      position_ = static_cast<uint64_t>(to);
      return 0;
    }
    case ZIP_SOURCE_TELL_WRITE:
      return static_cast<zip_int64_t>(position_);
    default:
      return not_supported(&error_);
  }
}

}  // namespace tenon::interop
