//! Every text of the page *Operations*, in Chinese and English.

use super::words::words;
use crate::http::backend::NotReady;

words! {
    OperationsWords;
    title: "运行状况", "Operations";
    state: "状态", "State";
    ready: "就绪", "Ready";
    opening: "正在打开账本", "The ledger is being opened";
    unassigned: "分区尚未分配：连不上 Kafka，或正在启动", "The partitions are not assigned: Kafka does not answer, or the service is starting";
    poisoned: "写入账本失败：不再写入，进程即将结束", "A write to the ledger failed: nothing more is written, and the process ends";
    refused: "写入回答日志失败：重新启动之前不再回答", "A write to the answer log failed: nothing is answered until the next start";
    stopping: "正在停止", "Stopping";
    role: "角色", "Role";
    writer: "写入者（读取 Kafka 并入账）", "Writer: it reads Kafka and books";
    standby: "备用（跟随写入者，在其结束或失效时接替）", "Standby: it follows the writer, and takes its place when that ends or dies";
    reader: "只读", "Reader: it answers only";
    epoch: "写入者序号", "Epoch of the writer";
    slot: "最新槽位", "Newest slot";
    state_age: "状态确认于（距今）", "State confirmed (ago)";
    reader_behind: "落后：无法确认本服务的状态为最新，不对当前状态下结论", "Behind: it cannot confirm that its state is the newest, and says nothing about the present";
    commit: "最新提交", "Newest commit";
    now: "此页时刻", "As of";
    paused: "磁盘将满，暂停读取：剩余 {}，需要 {}", "The disk is nearly full, so nothing is read: {} are free, {} are needed";
    alarms: "告警", "Alarms";
    no_alarm: "没有告警。", "No alarm.";
    alarms_note: "由本服务自身测得；Prometheus 的规则还包括其他告警。处置办法见 docs/runbooks.md。", "As far as the service sees by itself; the rules for Prometheus have more. docs/runbooks.md says what to do.";
    charts: "最近四小时", "The last four hours";
    charts_note: "自本进程启动起，每 15 秒一次。", "Every 15 seconds since the process started.";
    newest: "当前", "Now";
    largest: "最大", "Largest";
    nothing: "暂无", "none yet";
    chart_records: "每秒记录数", "Records a second";
    chart_lag: "未读记录数", "Records behind";
    chart_behind: "最慢平台的完整时刻距今", "Age of completeness, slowest platform";
    chart_lookups: "每分钟查询数", "Questions a minute";
    chart_disk: "账本大小", "Size of the ledger";
    chart_free: "数据目录所在磁盘剩余", "Free on the disk of the data directory";
    chart_answers_free: "答复日志所在磁盘剩余", "Free on the disk of the answer log";
    too_few: "数据不足，稍后再看", "Too little to draw yet";
    platforms: "各平台的完整性", "Completeness of the platforms";
    region_platforms: "平台表，可左右滚动", "Table of platforms; scrolls sideways";
    col_through: "完整到", "Complete through";
    col_behind: "距今", "Ago";
    col_held: "受限于", "Held by";
    col_late: "迟到事件", "Late events";
    col_pending: "待处理记录", "Records pending";
    never: "尚未完整", "not yet";
    held_partition: "分区尚未读到更后的末端", "a partition that is not read to a later end";
    held_listing: "未能确认全部分区", "a look at the topic's partitions";
    held_record: "平台的完整性声明", "the platform's completeness records";
    held_event: "平台的最新事件", "the platform's newest event";
    held_statement: "随文件声明的时刻", "the instant stated with its files";
    held_now: "已到当前", "nothing: complete to the present";
    partitions: "数据流", "Stream";
    region_partitions: "分区表，可左右滚动", "Table of partitions; scrolls sideways";
    no_partitions: "没有读取任何分区。", "No partition is read.";
    col_topic: "主题", "Topic";
    col_partition: "分区", "Partition";
    col_position: "已入账至", "Position";
    col_end: "末端", "End";
    col_lag: "未读", "Lag";
    unknown: "未知", "unknown";
    left_out: "另有 {} 个分区未列出。", "{} more partitions are not listed.";
    seals: "封存日", "Sealed days";
    seals_off: "没有封存日。", "No day is sealed.";
    seals_days: "已封存", "Sealed";
    seals_through: "封存到", "Through";
    seals_due: "待封存", "Due";
    seals_failures: "失败次数（自启动）", "Failures since the start";
    alarm_poisoned: "存储写入失败，进程即将结束", "A write to the storage failed; the process ends";
    alarm_fenced: "另一进程取代了本写入者", "Another process took the place of this writer";
    alarm_not_ready: "服务未就绪", "The service is not ready";
    alarm_answers_refused: "回答日志写入失败，拒绝回答", "The answer log failed; answers are refused";
    alarm_paused: "磁盘将满，暂停读取", "The disk is nearly full; nothing is read";
    alarm_clock: "时钟跳变，完整性不再前进", "The clock jumped; completeness stands still";
    alarm_lag: "未读记录超过十万条", "More than 100,000 records behind";
    alarm_dead: "十五分钟没有新记录", "No record for fifteen minutes";
    alarm_kafka: "Kafka 无应答或拒绝", "Kafka does not answer, or refuses";
    alarm_behind: "有平台的完整时刻落后超过 45 分钟", "A platform is complete to more than 45 minutes ago only";
    alarm_late: "有平台违反完整性承诺，此前的回答可能有误", "A platform broke its promise; earlier answers may be wrong";
    alarm_unreadable: "有读不出骑手的拒收记录，该平台未覆盖的骑手都不能确定", "A rejected record without a readable rider keeps answers of a platform open";
    alarm_unrated: "有订单没有费率", "Orders have no rate";
    alarm_changed: "有已记录的回答如今会不同", "Logged answers would now be others";
    alarm_sealing: "有日期封存失败", "A day could not be sealed";
    alarm_reader_behind: "本服务无法确认其状态为最新", "This process cannot confirm that its state is the newest";
    alarm_seals_late: "四天没有封存任何日期", "No day was sealed for four days";
}

impl OperationsWords {
    /// What is missing.
    pub(in crate::http::page) const fn not_ready(&self, missing: NotReady) -> &'static str {
        match missing {
            NotReady::Opening => self.opening,
            NotReady::Unassigned => self.unassigned,
            NotReady::Poisoned => self.poisoned,
            NotReady::AnswersRefused => self.refused,
            NotReady::Behind => self.reader_behind,
            NotReady::Stopping => self.stopping,
        }
    }

    /// What the process does with its ledger, by its name in `/v1/progress`.
    pub(in crate::http::page) fn role_name(&self, role: &str) -> &'static str {
        match role {
            "standby" => self.standby,
            "reader" => self.reader,
            _ => self.writer,
        }
    }

    /// What keeps a platform from being complete to a later instant, by its name in `/v1/progress`.
    pub(in crate::http::page) fn held_by(&self, kind: &str) -> &'static str {
        match kind {
            "partition" => self.held_partition,
            "listing" => self.held_listing,
            "completeness_record" => self.held_record,
            "newest_event" => self.held_event,
            "statement" => self.held_statement,
            _ => self.held_now,
        }
    }
}
