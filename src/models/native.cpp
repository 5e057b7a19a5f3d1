// Greedy decoding, ancestral sampling and beam search of a pre-norm transformer's decoder, on processors with AVX-512.
//
// One call decodes all rows: each thread holds some rows in slots, takes them one token further at a time, and puts the
// next row in the slot of one that ended, whatever the positions of the others. A row's numbers depend on nothing but
// the row, so that the result is the same bit for bit for every batch, order and number of threads. Of beam search the
// same holds with a source and its beams in the place of a row.
// Letters: D width, H heads, d = D/H, F inner width, V outputs, S source length, B sources, k rows of each.

#include "native_kernels.h"

#include <atomic>
#include <memory>
#include <thread>

namespace {

constexpr int SLOTS = 48;  // rows that a thread decodes at a time

// What Python gives; native.py has the same fields in the same order.
struct LayerGiven {
    Pair norms[3], query, key_value, out, cross_query, cross_out, inner, outer;
    Pair memory;  // (B, S, 2D): keys, then values, of the sources; no bias
};

struct Given {
    const LayerGiven* layers;
    Pair norm;
    const float* output;     // (V, D): of the ids from `eos` on
    const float* table;      // (eos + V, D): what an id adds to its position
    const float* positions;  // (max_length, D)
    const int64_t* lengths;  // (B,): tokens of the sources
    const double* numbers;   // (B*k, max_length): uniform in [0, 1), to sample with; null: the likeliest
    int64_t* result;         // (B*k, max_length), filled with pads; with beams (B, max_length)
    int64_t count_layers, width, heads, hidden, outputs, bos, eos, sources, source_length, rows, min_length, max_length;
    int64_t threads, half, beams;  // beams 0: rows, greedy or drawn; else k
};

template <class T>
struct Layer {
    Linear<T> query_key_value, out, cross_query, cross_out, inner, outer;

    void pack(const LayerGiven& given, int width, int hidden, int heads) {
        const float scale = 1.0f / std::sqrt(static_cast<float>(width / heads));
        query_key_value.pack({given.query, given.key_value}, {width, 2 * width}, width, {scale, 1.0f});
        out.pack({given.out}, {width}, width, {1.0f});
        cross_query.pack({given.cross_query}, {width}, width, {scale});
        cross_out.pack({given.cross_out}, {width}, width, {1.0f});
        inner.pack({given.inner}, {hidden}, width, {1.0f});
        outer.pack({given.outer}, {width}, hidden, {1.0f});
    }
};

// Index of the greatest score, the first of equals; or, with a number, the first whose share of all, with those before
// it, passes the number.
int choose(float* scores, int count, const double* number) {
    if (!number) return static_cast<int>(std::max_element(scores, scores + count) - scores);
    soften(scores, count);
    double sum = 0.0, passed = 0.0;
    for (int i = 0; i < count; i++) sum += scores[i];
    int last = 0;
    for (int i = 0; i < count; i++) {
        passed += scores[i];
        if (scores[i] > 0) last = i;
        if (passed > *number * sum) return i;
    }
    return last;
}

template <class T>
struct Decoder {
    using Item = typename T::Item;
    const Given& given;
    const int width, heads, depth, hidden, outputs;
    const int64_t share;  // rows of a source
    std::vector<Layer<T>> layers;
    Linear<Full> output;
    std::unique_ptr<Item[]> crosses;  // a Memory of each source and layer
    std::atomic<int64_t> next{0};  // row, or source, that no thread has taken yet

    explicit Decoder(const Given& given)
        : given(given), width(given.width), heads(given.heads), depth(width / heads), hidden(given.hidden),
          outputs(given.outputs), share(given.rows / given.sources), layers(given.count_layers),
          crosses(new Item[given.sources * given.count_layers * cross_items()]) {
        each(layers.size(), [&](int64_t i) { layers[i].pack(given.layers[i], width, hidden, heads); });
        output.pack({{given.output, nullptr}}, {outputs}, width, {1.0f});
    }

    size_t cross_items() const { return Memory<T>::items(heads, depth, given.source_length); }
    Memory<T> cross(int64_t source, int layer) const {
        return {heads, depth, static_cast<int>(given.source_length),
                &crosses[(source * given.count_layers + layer) * cross_items()]};
    }

    void each(int64_t count, auto work) {  // work(i) for i < count, shared among threads
        std::atomic<int64_t> next{0};
        together([&] {
            for (int64_t i; (i = next++) < count;) work(i);
        });
    }

    void together(auto work) {
        std::vector<std::thread> others;
        for (int64_t i = 1; i < given.threads; i++) others.emplace_back(work);
        work();
        for (auto& other : others) other.join();
    }

    void run() {
        each(given.sources * given.count_layers, [&](int64_t which) {
            const int64_t source = which / given.count_layers, layer = which % given.count_layers;
            const float* states = given.layers[layer].memory.weight + source * given.source_length * 2 * width;
            Memory<T> memory = cross(source, layer);
            for (int64_t at = 0; at < given.lengths[source]; at++, states += 2 * width)
                memory.put(at, states, states + width);
        });
        const int64_t units = given.beams ? given.sources : given.rows, most = SLOTS / std::max<int64_t>(given.beams, 1);
        const int slots = std::clamp<int64_t>((units + given.threads - 1) / given.threads, 1, std::max<int64_t>(most, 1));
        together([&] { given.beams ? search(slots) : decode(slots); });
    }

    struct Slot {
        int64_t row, token, at;  // the row is one of `share` of its source
        int cache;
    };

    // What one thread works with: `slots` rows that it takes one token further at a time, and their caches.
    struct Desk {
        const Decoder& of;
        const int wide, wider, narrow, scored;
        const size_t room;  // items of a cache of one layer
        std::unique_ptr<Item[]> caches;
        std::vector<float> states, wanted, normed;
        std::vector<Item> items;
        Scratch<T> scratch;

        Desk(const Decoder& of, int slots)
            : of(of), wide(up(of.width, COLUMNS)), wider(up(std::max(3 * of.width, of.hidden), COLUMNS)),
              narrow(up(std::max(of.width, of.hidden), T::group)), scored(up(of.outputs, COLUMNS)),
              room(Memory<T>::items(of.heads, of.depth, of.given.max_length)),
              caches(new Item[slots * of.layers.size() * room]), states(slots * wide, 0.0f),
              wanted(slots * std::max(wider, scored)), normed(slots * of.width), items(slots * narrow, 0),
              scratch(std::max(of.given.max_length, of.given.source_length), of.depth) {}

        Memory<T> cache(int which, int layer) {
            return {of.heads, of.depth, static_cast<int>(of.given.max_length),
                    &caches[(which * of.layers.size() + layer) * room]};
        }

        void norm(Pair weights, int rows) {
            for (int i = 0; i < rows; i++) {
                normalise(&states[i * wide], weights, of.width, normed.data());
                round_all<T>(normed.data(), &items[i * narrow], of.width);
            }
        }
        void times(const Linear<T>& map, int rows) {
            multiply(map, items.data(), narrow, rows, wanted.data(), wider);
        }
        void add(const Linear<T>& map, int rows) {
            multiply(map, items.data(), narrow, rows, states.data(), wide, true);
        }

        // Takes the rows one token further: the scores of row i are at wanted + i * scored then.
        void step(const std::vector<Slot>& active) {
            const Given& given = of.given;
            const int rows = active.size(), width = of.width;
            for (int i = 0; i < rows; i++) {
                const float* token = given.table + active[i].token * width;
                const float* position = given.positions + active[i].at * width;
                for (int j = 0; j < width; j++) states[i * wide + j] = token[j] + position[j];
            }
            for (size_t l = 0; l < of.layers.size(); l++) layer(active, l);
            for (int i = 0; i < rows; i++) normalise(&states[i * wide], given.norm, width, &normed[i * width]);
            multiply(of.output, normed.data(), width, rows, wanted.data(), scored);
        }

        void layer(const std::vector<Slot>& active, int l) {
            const Layer<T>& layer = of.layers[l];
            const int rows = active.size(), width = of.width;
            norm(of.given.layers[l].norms[0], rows);
            times(layer.query_key_value, rows);
            for (int i = 0; i < rows; i++) {
                const float* query = &wanted[i * wider];
                Memory<T> own = cache(active[i].cache, l);
                own.put(active[i].at, query + width, query + 2 * width);
                attend(query, own, active[i].at + 1, scratch, &items[i * narrow]);
            }
            add(layer.out, rows);
            norm(of.given.layers[l].norms[1], rows);
            times(layer.cross_query, rows);
            for (int i = 0; i < rows; i++) {
                const int64_t source = active[i].row / of.share;
                attend(&wanted[i * wider], of.cross(source, l), of.given.lengths[source], scratch, &items[i * narrow]);
            }
            add(layer.cross_out, rows);
            norm(of.given.layers[l].norms[2], rows);
            times(layer.inner, rows);
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < of.hidden; j++)
                    items[i * narrow + j] = T::item(std::max(wanted[i * wider + j], 0.0f));
            add(layer.outer, rows);
        }
    };

    void decode(int slots) {
        Desk desk(*this, slots);
        std::vector<Slot> active;
        const auto take = [&](int cache) {
            const int64_t row = next++;
            if (row < given.rows) active.push_back({row, given.bos, 0, cache});
        };
        for (int i = 0; i < slots; i++) take(i);
        while (!active.empty()) {
            desk.step(active);
            for (int i = active.size() - 1; i >= 0; i--) {
                Slot& slot = active[i];
                float* scores = &desk.wanted[i * desk.scored];
                if (slot.at < given.min_length) scores[0] = -INFINITY;
                const int64_t place = slot.row * given.max_length + slot.at;
                slot.token = given.eos + choose(scores, outputs, given.numbers ? given.numbers + place : nullptr);
                given.result[place] = slot.token;
                if (slot.token != given.eos && ++slot.at < given.max_length) continue;
                const int cache = slot.cache;
                active.erase(active.begin() + i);
                take(cache);
            }
        }
    }

    // A hypothesis: its ids, their summed log-probability, and the cache of what it has said, which one that ended needs
    // no more.
    struct Beam {
        std::vector<int64_t> tokens;
        float total;
        bool done;
        int cache;
        float rank() const { return total / tokens.size(); }
    };

    struct Search {
        int64_t source;
        int first;  // of the k caches that are its own
        std::vector<Beam> beams;
    };

    // A beam and what it goes on with; where it has ended, as itself. Those of equal rank in the order of beams and ids.
    struct Candidate {
        float rank, total;
        int beam, choice;
        bool operator<(const Candidate& other) const {
            return rank != other.rank ? rank > other.rank
                                      : beam != other.beam ? beam < other.beam : choice < other.choice;
        }
    };

    // decoding.py's beam_search; what is impossible is left out where it has beams of probability 0.
    void search(int slots) {
        Desk desk(*this, slots * share);
        std::vector<Search> searches;
        const auto take = [&](int first) {
            const int64_t source = next++;
            if (source < given.sources) searches.push_back({source, first, {{{}, 0.0f, false, first}}});
        };
        for (int i = 0; i < slots; i++) take(i * share);
        std::vector<Slot> active;
        while (!searches.empty()) {
            active.clear();
            for (const Search& one : searches)
                for (const Beam& beam : one.beams)
                    if (!beam.done)
                        active.push_back({one.source * share, beam.tokens.empty() ? given.bos : beam.tokens.back(),
                                          static_cast<int64_t>(beam.tokens.size()), beam.cache});
            desk.step(active);
            const float* scores = desk.wanted.data();
            std::vector<int> ended;
            for (size_t i = 0; i < searches.size(); i++)
                if (grow(desk, searches[i], scores)) ended.push_back(i);
            for (int i = ended.size() - 1; i >= 0; i--) {
                const Search over = std::move(searches[ended[i]]);
                const auto& tokens = over.beams.front().tokens;
                std::copy(tokens.begin(), tokens.end(), given.result + over.source * given.max_length);
                searches.erase(searches.begin() + ended[i]);
                take(over.first);
            }
        }
    }

    // Takes the scores of the beams that go on, and leaves the best k of what they become. Returns whether it is over.
    bool grow(Desk& desk, Search& one, const float*& scores) {
        std::vector<Candidate> best;
        std::vector<float> shares(up(outputs, LANES));
        int64_t length = 0;  // of what goes on
        for (size_t b = 0; b < one.beams.size(); b++) {
            const Beam& beam = one.beams[b];
            if (beam.done) {
                best.push_back({beam.rank(), beam.total, static_cast<int>(b), 0});
                continue;
            }
            length = beam.tokens.size() + 1;
            const float most = *std::max_element(scores, scores + outputs);
            std::copy_n(scores, outputs, shares.begin());
            const float whole = std::log(soften(shares.data(), outputs));
            for (int v = 0; v < outputs; v++) {
                const float total = beam.total + (scores[v] - most - whole);
                if (total > -INFINITY) best.push_back({total / length, total, static_cast<int>(b), v});
            }
            scores += desk.scored;
        }
        const size_t kept = std::min<size_t>(share, best.size());
        std::partial_sort(best.begin(), best.begin() + kept, best.end());
        best.resize(kept);
        if (best.empty()) best.push_back({0.0f, 0.0f, 0, 0});  // the model says no numbers
        one.beams = become(desk, one, best);
        const bool going = std::any_of(one.beams.begin(), one.beams.end(), [](const Beam& beam) { return !beam.done; });
        return !going || length == given.max_length;
    }

    // The beams of the candidates. The first that goes on from a beam has its cache, the others a copy.
    std::vector<Beam> become(Desk& desk, const Search& one, const std::vector<Candidate>& best) {
        std::vector<Beam> beams;
        std::vector<bool> taken(share, false);
        std::vector<size_t> copies;
        for (const Candidate& candidate : best) {
            const Beam& from = one.beams[candidate.beam];
            beams.push_back(from);
            Beam& beam = beams.back();
            if (from.done) continue;
            beam.tokens.push_back(given.eos + candidate.choice);
            beam.total = candidate.total;
            beam.done = candidate.choice == 0;
            if (beam.done) continue;
            if (taken[from.cache - one.first]) copies.push_back(beams.size() - 1);
            taken[from.cache - one.first] = true;
        }
        for (const size_t which : copies) {
            const int free = std::find(taken.begin(), taken.end(), false) - taken.begin(), from = beams[which].cache;
            taken[free] = true;
            beams[which].cache = one.first + free;
            for (size_t l = 0; l < layers.size(); l++)
                desk.cache(one.first + free, l).copy(desk.cache(from, l), beams[which].tokens.size());
        }
        return beams;
    }
};

}  // namespace

extern "C" void decode(const Given* given) {
#ifdef __AVX512BF16__
    if (given->half) return Decoder<Half>(*given).run();
#endif
    Decoder<Full>(*given).run();
}
