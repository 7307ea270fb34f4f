package utresa;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePack;
import utresa.Definitions.Cell;
import utresa.Definitions.Contribution;

/** A partition's figures by year, for the three editions at once, and which of them have changed. */
final class Tallies {
    private final Map<Integer, Map<Cell, int[]>> years = new TreeMap<>();
    private final Map<Integer, Integer> changed = new HashMap<>();
    private int version = 0;

    void add(List<Contribution> contributions, int sign) {
        for (Contribution one : contributions) {
            Cell cell = one.cell();
            int[] amounts = years.computeIfAbsent(cell.year(), year -> new HashMap<>())
                    .computeIfAbsent(cell, place -> new int[Definitions.EDITIONS.length]);
            for (int edition = 0; edition < amounts.length; edition++) {
                if ((one.editions() >> edition & 1) == 1) {
                    amounts[edition] += sign * one.amount();
                }
            }
            changed.merge(cell.year(), one.editions(), (known, more) -> known | more);
        }
    }

    /** Each changed edition and year, absolute, in the form of utresa's own partials. */
    void takeChanged(int partition, BiConsumer<String, byte[]> send) throws IOException {
        if (changed.isEmpty()) {
            return;
        }
        version++;
        for (Map.Entry<Integer, Integer> one : changed.entrySet()) {
            for (int edition = 0; edition < Definitions.EDITIONS.length; edition++) {
                if ((one.getValue() >> edition & 1) == 1) {
                    int year = one.getKey();
                    String key = "partial/" + partition + "/" + Definitions.EDITIONS[edition] + "/" + year;
                    send.accept(key, partial(partition, edition, year));
                }
            }
        }
        changed.clear();
    }

    private byte[] partial(int partition, int edition, int year) throws IOException {
        Map<Cell, int[]> cells = years.get(year);
        int size = 0;
        for (int[] amounts : cells.values()) {
            size += amounts[edition] == 0 ? 0 : 1;
        }
        try (MessageBufferPacker packer = MessagePack.newDefaultBufferPacker()) {
            packer.packArrayHeader(6).packString("partial").packInt(partition);
            packer.packString(Definitions.EDITIONS[edition]).packInt(year);
            packer.packArrayHeader(2).packInt(0).packInt(version);
            packer.packArrayHeader(size);
            for (Map.Entry<Cell, int[]> one : cells.entrySet()) {
                if (one.getValue()[edition] != 0) {
                    packer.packArrayHeader(2);
                    pack(packer, one.getKey());
                    packer.packInt(one.getValue()[edition]);
                }
            }
            return packer.toByteArray();
        }
    }

    private static void pack(MessageBufferPacker packer, Cell cell) throws IOException {
        packer.packArrayHeader(4).packString(cell.measure()).packInt(cell.year());
        packer.packArrayHeader(cell.dims().size());
        for (String value : cell.dims()) {
            packer.packString(value);
        }
        packer.packString(cell.part());
    }
}
