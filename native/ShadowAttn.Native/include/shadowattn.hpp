// shadowattn.h for C++17: handles that free themselves, and errors as exceptions. Header only; documented there.
#ifndef SHADOWATTN_HPP
#define SHADOWATTN_HPP

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "shadowattn.h"

namespace shadowattn {

// A call that failed: its code, and the library's message.
class error : public std::runtime_error {
public:
    explicit error(sa_status status) : std::runtime_error(std::string(sa_error_name(status)) + ": " + sa_last_error()), status_(status) {}

    sa_status status() const noexcept { return status_; }

private:
    sa_status status_;
};

inline void check(sa_status status) {
    if (status != SA_OK) {
        throw error(status);
    }
}

// A struct with its size set and the rest zero.
template <typename T>
T sized() {
    static_assert(std::is_trivial<T>::value, "a struct of shadowattn.h");
    T value{};
    value.size = sizeof(T);
    return value;
}

inline sa_attention_options attention_options(std::uint32_t heads, std::uint32_t kv_heads, std::uint32_t head_dim) {
    auto options = sized<sa_attention_options>();
    options.heads = heads;
    options.kv_heads = kv_heads;
    options.head_dim = head_dim;
    return options;
}

// [heads, rows, channels] from the first element on; strides in elements, 0 for a contiguous tensor.
inline sa_tensor tensor(const void *data, std::int32_t dtype = SA_F32, std::int64_t head_stride = 0, std::int64_t row_stride = 0) {
    sa_tensor t{};
    t.data = const_cast<void *>(data);
    t.dtype = dtype;
    t.head_stride = head_stride;
    t.row_stride = row_stride;
    return t;
}

// A handle that is freed with the object; moves, does not copy.
template <typename T, sa_status(SA_CALL *Free)(T *)>
class handle {
public:
    handle() noexcept = default;
    explicit handle(T *raw) noexcept : raw_(raw) {}

    T *get() const noexcept { return raw_.get(); }
    void reset() noexcept { raw_.reset(); }

private:
    struct deleter {
        void operator()(T *raw) const noexcept { Free(raw); }
    };
    std::unique_ptr<T, deleter> raw_;
};

class backend : public handle<sa_backend, sa_backend_free> {
public:
    backend() noexcept = default;
    explicit backend(const char *path, const sa_backend_options *options = nullptr) : handle(open(path, options)) {}

    std::string describe() const {
        std::size_t required = 0;
        check(sa_backend_describe(get(), nullptr, 0, &required));
        std::string text(required, '\0');
        check(sa_backend_describe(get(), &text[0], text.size(), nullptr));
        text.resize(required - 1);
        return text;
    }

private:
    static sa_backend *open(const char *path, const sa_backend_options *options) {
        sa_backend *raw = nullptr;
        check(sa_backend_open(path, options, &raw));
        return raw;
    }
};

class workers : public handle<sa_workers, sa_workers_free> {
public:
    workers() noexcept = default;
    explicit workers(std::uint32_t threads) : handle(create(threads)) {}

private:
    static sa_workers *create(std::uint32_t threads) {
        sa_workers *raw = nullptr;
        check(sa_workers_create(threads, &raw));
        return raw;
    }
};

class profile : public handle<sa_profile, sa_profile_free> {
public:
    profile() noexcept = default;
    explicit profile(const char *path) : handle(load(path)) {}

    sa_profile_info info() const {
        auto info = sized<sa_profile_info>();
        check(sa_profile_get_info(get(), &info));
        return info;
    }

private:
    static sa_profile *load(const char *path) {
        sa_profile *raw = nullptr;
        check(sa_profile_load(path, &raw));
        return raw;
    }
};

class cancellation : public handle<sa_cancellation, sa_cancellation_free> {
public:
    cancellation() : handle(create()) {}

    void request() { check(sa_cancellation_request(get())); }
    void clear() { check(sa_cancellation_reset(get())); }

private:
    static sa_cancellation *create() {
        sa_cancellation *raw = nullptr;
        check(sa_cancellation_create(&raw));
        return raw;
    }
};

class attention : public handle<sa_attention, sa_attention_free> {
public:
    attention() noexcept = default;
    explicit attention(const sa_attention_options &options) : handle(create(nullptr, options)) {}
    attention(const backend &on, const sa_attention_options &options) : handle(create(on.get(), options)) {}

    // Returns what the call did.
    sa_stats compute(const sa_tensor &q, const sa_tensor &k, const sa_tensor &v, const sa_tensor &o, std::uint32_t queries, std::uint32_t keys,
        const cancellation *stop = nullptr) {
        auto stats = sized<sa_stats>();
        auto call = sized<sa_call>();
        call.stats = &stats;
        call.cancellation = stop ? stop->get() : nullptr;
        check(sa_attention_compute(get(), &q, &k, &v, &o, queries, keys, &call));
        return stats;
    }

private:
    static sa_attention *create(sa_backend *on, const sa_attention_options &options) {
        sa_attention *raw = nullptr;
        check(sa_attention_create(on, &options, &raw));
        return raw;
    }
};

class cache : public handle<sa_cache, sa_cache_free> {
public:
    cache() noexcept = default;
    cache(const attention &of, std::uint32_t capacity, std::int32_t dtype = SA_F32) : handle(create(of.get(), capacity, dtype)) {}

    void append(const sa_tensor &k, const sa_tensor &v, std::uint32_t keys) { check(sa_cache_append(get(), &k, &v, keys)); }
    void truncate(std::uint32_t keys) { check(sa_cache_truncate(get(), keys)); }

    std::uint32_t count() const {
        std::uint32_t keys = 0;
        check(sa_cache_get_count(get(), &keys, nullptr));
        return keys;
    }

    // Returns what the call did.
    sa_stats compute(const sa_tensor &q, const sa_tensor &o, std::uint32_t queries, const cancellation *stop = nullptr) {
        auto stats = sized<sa_stats>();
        auto call = sized<sa_call>();
        call.stats = &stats;
        call.cancellation = stop ? stop->get() : nullptr;
        check(sa_cache_compute(get(), &q, &o, queries, &call));
        return stats;
    }

private:
    static sa_cache *create(sa_attention *of, std::uint32_t capacity, std::int32_t dtype) {
        auto options = sized<sa_cache_options>();
        options.capacity = capacity;
        options.dtype = dtype;
        sa_cache *raw = nullptr;
        check(sa_cache_create(of, &options, &raw));
        return raw;
    }
};

}  // namespace shadowattn

#endif
